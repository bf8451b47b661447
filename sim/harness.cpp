// Drives a Verilated top: every stream port at once, one pass of the loop a clock cycle.
//
// It is compiled once for all tops, which it knows through "top.h". Files in the working folder, by
// index of the port: in<k>.bin (payload words) and gate<k>.bin (pattern) are read, out<k>.bin and
// time<k>.bin written. On stdout it reports its progress in thousandths; the last line says how it
// ended.

#include "top.h"

#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

// A signal of 1, 2, 4, 8 or more bytes is copied from and to the first bytes of 32-bit words.
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "payloads must be little-endian");

namespace {

template <class T> std::vector<T> read_file(const std::string& name) {
    std::vector<T> data;
    FILE* file = std::fopen(name.c_str(), "rb");
    if (!file) return data;
    std::fseek(file, 0, SEEK_END);
    data.resize(static_cast<size_t>(std::ftell(file)) / sizeof(T));
    std::rewind(file);
    if (std::fread(data.data(), sizeof(T), data.size(), file) != data.size()) std::abort();
    std::fclose(file);
    return data;
}

template <class T> void write_file(const std::string& name, const std::vector<T>& data) {
    FILE* file = std::fopen(name.c_str(), "wb");
    if (!file || std::fwrite(data.data(), sizeof(T), data.size(), file) != data.size()
        || std::fclose(file) != 0) {
        std::printf("failed cannot write %s\n", name.c_str());
        std::exit(1);
    }
}

[[noreturn]] void broken(int64_t cycle, const char* port, const char* rule) {
    std::printf("broken %" PRId64 " %s %s\n", cycle, port, rule);
    std::exit(1);
}

struct Stream {
    Port port;
    int index;
    size_t words, expected = 0;
    std::vector<uint8_t> gate;
    size_t phase = 0;
    std::vector<int64_t> times;

    Stream(const Port& port_, int index_)
        : port(port_), index(index_), words((port_.bits + 31) / 32),
          gate(read_file<uint8_t>("gate" + std::to_string(index_) + ".bin")) {}
    bool open() {
        if (gate.empty()) return true;
        const bool bit = gate[phase];
        if (++phase == gate.size()) phase = 0;
        return bit;
    }
    bool done() const { return times.size() == expected; }
    void state(bool valid, bool ready) const {
        std::printf(" %s:%zu:%zu:%d:%d", port.name, times.size(), expected, valid, ready);
    }
};

struct Source : Stream {
    std::vector<uint32_t> data, junk;
    bool offered = false, stale = true;

    Source(const Port& port_, int index_) : Stream(port_, index_), junk(words) {
        data = read_file<uint32_t>("in" + std::to_string(index_) + ".bin");
        expected = data.size() / words;
        times.reserve(expected);
    }
    void restart() {
        times.clear();
        phase = 0;
        offered = false;
        stale = true;
    }
    // While no beat is offered the payload holds the next beat with every bit wrong.
    const uint32_t* wrong() {
        for (size_t k = 0; k < words; ++k) junk[k] = done() ? ~0u : ~data[times.size() * words + k];
        if (port.bits % 32) junk[words - 1] &= (1u << port.bits % 32) - 1;
        return junk.data();
    }
    void put(const uint32_t* beat) { std::memcpy(port.payload, beat, port.size); }
    void drive() {
        const bool allowed = open();
        if (!offered && allowed && !done()) {
            offered = true;
            put(&data[times.size() * words]);
        } else if (!offered && stale) {
            put(wrong());
        }
        stale = false;
        *port.valid = offered;
    }
    bool observe(int64_t cycle) {
        if (!offered || !*port.ready) return false;
        times.push_back(cycle);
        offered = false;
        stale = true;
        return true;
    }
};

struct Sink : Stream {
    std::vector<uint32_t> data, now, held, probe;
    bool drains, waiting = false, was_valid = false;

    Sink(const Port& port_, int index_, size_t beats, bool drains_)
        : Stream(port_, index_), now(words), held(words), probe(words), drains(drains_) {
        expected = beats;
        data.reserve(beats * words);
        times.reserve(beats);
    }
    void restart() {
        times.clear();
        data.clear();
        phase = 0;
        waiting = false;
    }
    void get(std::vector<uint32_t>& beat) const {
        std::memcpy(beat.data(), port.payload, port.size);
    }
    bool observe(int64_t cycle) {
        if (!*port.valid) {
            if (waiting) broken(cycle, port.name, "withdrew a beat that waited");
            return false;
        }
        get(now);
        if (waiting && now != held) broken(cycle, port.name, "changed a beat that waited");
        waiting = !*port.ready;
        if (waiting) {
            held = now;
            return false;
        }
        if (done()) {
            if (drains) broken(cycle, port.name, "gave a beat too many");
            return true;
        }
        times.push_back(cycle);
        data.insert(data.end(), now.begin(), now.end());
        return true;
    }
};

struct Bench {
    VerilatedContext context;
    std::unique_ptr<Top> top;
    std::vector<Source> sources;
    std::vector<Sink> sinks;
    int64_t cycle = 0, idle = 0;
    bool strict = false;
    std::chrono::steady_clock::time_point spoken = std::chrono::steady_clock::now();

    // What nothing initialises starts with random values of this seed.
    explicit Bench(int seed) {
        context.randReset(2);
        context.randSeed(seed);
        top = make_top(context);
    }
    void rise() {
        *top->clk = 1;
        top->eval();
    }
    void settle() {
        *top->clk = 0;
        top->eval();
    }
    void reset(int cycles) {
        *top->rst = 1;
        for (int k = 0; k < cycles; ++k) {
            settle();
            rise();
        }
        *top->rst = 0;
        for (auto& source : sources) source.restart();
        for (auto& sink : sinks) sink.restart();
        cycle = idle = 0;
    }
    bool done() const {
        for (const auto& source : sources) if (!source.done()) return false;
        for (const auto& sink : sinks) if (!sink.done()) return false;
        return true;
    }
    // With every ready inverted first: neither valid nor payload may follow it.
    void check_valids() {
        settle();
        for (auto& sink : sinks) {
            sink.was_valid = *sink.port.valid;
            if (sink.was_valid) sink.get(sink.probe);
            *sink.port.ready = !*sink.port.ready;
        }
        settle();
        for (auto& sink : sinks) {
            if (sink.was_valid != bool(*sink.port.valid))
                broken(cycle, sink.port.name, "lets valid depend on ready");
            if (!sink.was_valid) continue;
            sink.get(sink.now);
            if (sink.now != sink.probe)
                broken(cycle, sink.port.name, "lets its payload depend on ready");
        }
    }
    void step() {
        bool moved = false;
        for (auto& source : sources) source.drive();
        for (auto& sink : sinks) *sink.port.ready = sink.open() != strict;
        if (strict) check_valids(); else settle();
        for (auto& source : sources) moved |= source.observe(cycle);
        for (auto& sink : sinks) moved |= sink.observe(cycle);
        rise();
        ++cycle;
        idle = moved ? 0 : idle + 1;
        if ((cycle & 4095) == 0) speak();
    }
    void speak() {
        const auto now = std::chrono::steady_clock::now();
        if (now - spoken < std::chrono::milliseconds(200)) return;
        spoken = now;
        size_t moved = 0, expected = 0;
        for (const auto& source : sources) moved += source.times.size(), expected += source.expected;
        for (const auto& sink : sinks) moved += sink.times.size(), expected += sink.expected;
        std::printf("progress %zu\n", 1000 * moved / expected);
        std::fflush(stdout);
    }
    [[noreturn]] void stuck() {
        std::printf("stuck %" PRId64, cycle);
        for (const auto& source : sources) source.state(source.offered, *source.port.ready);
        for (const auto& sink : sinks) sink.state(*sink.port.valid, *sink.port.ready);
        std::printf("\n");
        std::exit(1);
    }
};

}  // namespace

// Arguments: timeout, cycle of the reset (-1: none), strict (0 or 1), seed, drains (0 or 1), beats of
// each output.
int main(int argc, char** argv) {
    const auto argument = [&](int k) { return k < argc ? std::atoll(argv[k]) : 0; };
    const int64_t timeout = argument(1), reset_at = argument(2);
    Bench bench(static_cast<int>(argument(4)) + 1);
    bench.strict = argument(3);
    int index = 0;
    for (const auto& port : bench.top->inputs) bench.sources.emplace_back(port, index++);
    for (size_t k = 0; k < bench.top->outputs.size(); ++k)
        bench.sinks.emplace_back(
            bench.top->outputs[k], index++, argument(6 + static_cast<int>(k)), argument(5));
    bench.reset(2);
    if (reset_at >= 0) {
        while (bench.cycle < reset_at) bench.step();
        bench.reset(1);
    }
    while (!bench.done()) {
        bench.step();
        if (bench.idle > timeout) bench.stuck();
    }
    for (int k = 0; k < 16; ++k) bench.step();
    for (const auto& source : bench.sources)
        write_file("time" + std::to_string(source.index) + ".bin", source.times);
    for (const auto& sink : bench.sinks) {
        write_file("time" + std::to_string(sink.index) + ".bin", sink.times);
        write_file("out" + std::to_string(sink.index) + ".bin", sink.data);
    }
    std::printf("done %" PRId64 "\n", bench.cycle);
    return 0;
}
