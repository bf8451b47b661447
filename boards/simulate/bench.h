// A Verilated board top as a server: requests on stdin, answers on stdout, both binary and in the
// byte order of the machine. The harness that includes this says what CLOCK is.
#pragma once

#include "Vtop.h"
#include "signals.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

using Bytes = std::vector<uint8_t>;

struct Bench {
    VerilatedContext context;
    Vtop top{&context};
    uint64_t cycle = 0;

    // Outputs as they are before the rising edge.
    void settle() {
        top.CLOCK = 0;
        top.eval();
    }
    void rise() {
        top.CLOCK = 1;
        top.eval();
        ++cycle;
    }
};

// The host closed its end: that is how a simulation ends.
inline void read_bytes(void* data, size_t size) {
    if (size && std::fread(data, 1, size, stdin) != size) std::exit(0);
}
template <class T> T read_number() {
    T value;
    read_bytes(&value, sizeof value);
    return value;
}
inline void write_bytes(const void* data, size_t size) {
    if (size && std::fwrite(data, 1, size, stdout) != size) std::exit(1);
}
template <class T> void write_number(T value) { write_bytes(&value, sizeof value); }

inline uint64_t argument(int argc, char** argv, int k) {
    if (k >= argc) std::exit(2);
    return std::strtoull(argv[k], nullptr, 10);
}
