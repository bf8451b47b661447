// Drives a Verilated top: every stream port at once, one pass of the loop a clock cycle.
//
// The generated "ports.h" names the ports: THRESHER_INPUTS(X) and THRESHER_OUTPUTS(X) call
// X(index, name, member prefix, payload bits) for each. Files in the working folder, by index:
// in<k>.bin (payload words) and gate<k>.bin (pattern) are read, out<k>.bin and time<k>.bin written.
// On stdout it reports its progress in thousandths; the last line says how it ended.

#include "Vtop.h"
#include "ports.h"
#include "signals.h"

#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

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
    const char* name;
    int index, bits;
    size_t words, expected = 0;
    std::vector<uint8_t> gate;
    size_t phase = 0;
    std::vector<int64_t> times;

    Stream(const char* name_, int index_, int bits_)
        : name(name_), index(index_), bits(bits_), words((bits_ + 31) / 32),
          gate(read_file<uint8_t>("gate" + std::to_string(index_) + ".bin")) {}
    bool open() {
        if (gate.empty()) return true;
        const bool bit = gate[phase];
        if (++phase == gate.size()) phase = 0;
        return bit;
    }
    bool done() const { return times.size() == expected; }
};

struct Source : Stream {
    std::vector<uint32_t> data, junk;
    bool offered = false, stale = true;

    Source(const char* name_, int index_, int bits_) : Stream(name_, index_, bits_), junk(words) {
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
        if (bits % 32) junk[words - 1] &= (1u << bits % 32) - 1;
        return junk.data();
    }
    template <class P> void drive(P& payload, CData& valid) {
        const bool allowed = open();
        if (!offered && allowed && !done()) {
            offered = true;
            put(payload, &data[times.size() * words]);
        } else if (!offered && stale) {
            put(payload, wrong());
        }
        stale = false;
        valid = offered;
    }
    bool observe(int64_t cycle, bool ready) {
        if (!offered || !ready) return false;
        times.push_back(cycle);
        offered = false;
        stale = true;
        return true;
    }
};

struct Sink : Stream {
    std::vector<uint32_t> data, now, held, probe;
    bool drains, waiting = false, was_valid = false;

    Sink(const char* name_, int index_, int bits_, size_t beats, bool drains_)
        : Stream(name_, index_, bits_), now(words), held(words), probe(words), drains(drains_) {
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
    template <class P> bool observe(int64_t cycle, const P& payload, bool valid, bool ready) {
        if (!valid) {
            if (waiting) broken(cycle, name, "withdrew a beat that waited");
            return false;
        }
        get(payload, now.data());
        if (waiting && now != held) broken(cycle, name, "changed a beat that waited");
        waiting = !ready;
        if (waiting) {
            held = now;
            return false;
        }
        if (done()) {
            if (drains) broken(cycle, name, "gave a beat too many");
            return true;
        }
        times.push_back(cycle);
        data.insert(data.end(), now.begin(), now.end());
        return true;
    }
};

struct Bench {
    VerilatedContext context;
    Vtop top{&context};
    std::vector<Source> sources;
    std::vector<Sink> sinks;
    int64_t cycle = 0, idle = 0;
    bool strict = false;
    std::chrono::steady_clock::time_point spoken = std::chrono::steady_clock::now();

    void rise() {
        top.clk = 1;
        top.eval();
    }
    void settle() {
        top.clk = 0;
        top.eval();
    }
    void reset(int cycles) {
        top.rst = 1;
        for (int k = 0; k < cycles; ++k) {
            settle();
            rise();
        }
        top.rst = 0;
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
#define X(k, port, member, bits) \
        sinks[k].was_valid = top.member##valid; \
        if (top.member##valid) get(top.member##payload, sinks[k].probe.data()); \
        top.member##ready = !top.member##ready;
        THRESHER_OUTPUTS(X)
#undef X
        settle();
#define X(k, port, member, bits) \
        if (sinks[k].was_valid != bool(top.member##valid)) \
            broken(cycle, port, "lets valid depend on ready"); \
        if (top.member##valid) { \
            get(top.member##payload, sinks[k].now.data()); \
            if (sinks[k].now != sinks[k].probe) \
                broken(cycle, port, "lets its payload depend on ready"); \
        }
        THRESHER_OUTPUTS(X)
#undef X
    }
    void step() {
        bool moved = false;
#define X(k, port, member, bits) \
        sources[k].drive(top.member##payload, top.member##valid);
        THRESHER_INPUTS(X)
#undef X
#define X(k, port, member, bits) top.member##ready = sinks[k].open() != strict;
        THRESHER_OUTPUTS(X)
#undef X
        if (strict) check_valids(); else settle();
#define X(k, port, member, bits) moved |= sources[k].observe(cycle, top.member##ready);
        THRESHER_INPUTS(X)
#undef X
#define X(k, port, member, bits) \
        moved |= sinks[k].observe( \
            cycle, top.member##payload, top.member##valid, top.member##ready);
        THRESHER_OUTPUTS(X)
#undef X
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
#define X(k, port, member, bits) \
        std::printf(" %s:%zu:%zu:%d:%d", port, sources[k].times.size(), sources[k].expected, \
                    int(sources[k].offered), int(top.member##ready));
        THRESHER_INPUTS(X)
#undef X
#define X(k, port, member, bits) \
        std::printf(" %s:%zu:%zu:%d:%d", port, sinks[k].times.size(), sinks[k].expected, \
                    int(top.member##valid), int(top.member##ready));
        THRESHER_OUTPUTS(X)
#undef X
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
    Bench bench;
    bench.context.randReset(2);
    bench.context.randSeed(static_cast<int>(argument(4)) + 1);
    bench.strict = argument(3);
#define X(k, port, member, bits) bench.sources.emplace_back(port, k, bits);
    THRESHER_INPUTS(X)
#undef X
    const int inputs = static_cast<int>(bench.sources.size());
#define X(k, port, member, bits) \
    bench.sinks.emplace_back(port, inputs + k, bits, argument(6 + k), argument(5));
    THRESHER_OUTPUTS(X)
#undef X
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
