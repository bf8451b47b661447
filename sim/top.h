// What the harness knows of a Verilated top; the C++ that `sim.verilate` writes for it fills this in.
#pragma once

#include "verilated.h"

#include <cstddef>
#include <memory>
#include <vector>

struct Port {
    const char* name;
    int bits;  // of the payload
    CData *valid, *ready;
    void* payload;
    size_t size;  // bytes of the payload
};

struct Top {
    CData *clk, *rst;
    std::vector<Port> inputs, outputs;

    virtual ~Top() = default;
    virtual void eval() = 0;
};

std::unique_ptr<Top> make_top(VerilatedContext& context);
