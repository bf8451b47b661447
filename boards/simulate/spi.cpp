// An SPI master, mode 0, on `sck`, `ss_n`, `mosi` and `miso` of the top.
//
// Argument: cycles of half a period of sck. Request: uint32 n, n bytes, which go out in one
// transfer. Answer: uint64 cycle, n bytes that came in.

#define CLOCK clk
#include "bench.h"

namespace {

void wait(Bench& bench, uint64_t cycles) {
    for (uint64_t k = 0; k < cycles; ++k) {
        bench.settle();
        bench.rise();
    }
}

uint8_t exchange(Bench& bench, uint64_t half, uint8_t out) {
    uint8_t in = 0;
    for (int bit = 7; bit >= 0; --bit) {
        bench.top.mosi = out >> bit & 1;
        wait(bench, half);
        in = static_cast<uint8_t>(in << 1 | bench.top.miso);
        bench.top.sck = 1;
        wait(bench, half);
        bench.top.sck = 0;
    }
    return in;
}

}  // namespace

int main(int argc, char** argv) {
    Bench bench;
    const uint64_t half = argument(argc, argv, 1);
    bench.top.rst = 0;
    bench.top.ss_n = 1;
    bench.top.sck = 0;
    wait(bench, 8 * half);
    for (;;) {
        Bytes data(read_number<uint32_t>());
        read_bytes(data.data(), data.size());
        bench.top.ss_n = 0;
        for (auto& byte : data) byte = exchange(bench, half, byte);
        wait(bench, half);
        bench.top.ss_n = 1;
        wait(bench, 4 * half);
        write_number(bench.cycle);
        write_bytes(data.data(), data.size());
        std::fflush(stdout);
    }
}
