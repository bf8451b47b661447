// Verilator's signals of any width <-> 32-bit words, lowest first.
#pragma once

#include "verilated.h"

#include <cstdint>

template <class T> void put(T& signal, const uint32_t* words) {
    if constexpr (sizeof(T) <= 4) {
        signal = static_cast<T>(words[0]);
    } else {
        signal = words[0] | static_cast<uint64_t>(words[1]) << 32;
    }
}
template <std::size_t N> void put(VlWide<N>& signal, const uint32_t* words) {
    for (std::size_t k = 0; k < N; ++k) signal[k] = words[k];
}
template <class T> void get(const T& signal, uint32_t* words) {
    words[0] = static_cast<uint32_t>(signal);
    if constexpr (sizeof(T) > 4) words[1] = static_cast<uint32_t>(signal >> 32);
}
template <std::size_t N> void get(const VlWide<N>& signal, uint32_t* words) {
    for (std::size_t k = 0; k < N; ++k) words[k] = signal[k];
}
