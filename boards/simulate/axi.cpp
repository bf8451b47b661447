// A processor on `s_axi` and a DMA engine on `s_axis` and `m_axis` of the top.
//
// Arguments: bytes of a word of s_axis and of m_axis, chance of a stall in 256, seed. Requests:
//   r, uint32 offset: read a register. Answer: uint32.
//   w, uint32 offset, uint32 value: write it. Answer: uint8 response (0 is good).
//   x, uint32 n, uint32 bytes of a frame, uint32 bytes of a result, uint64 patience, n frames: send
//   each frame as a packet and receive n packets; it ends early after `patience` cycles in which
//   nothing moves. Answer: uint32 packets, for each of them uint32 bytes (of which no more than a
//   result's follow), uint8 TUSER of its last word, the bytes.

#define CLOCK aclk
#include "bench.h"

namespace {

struct Packet {
    Bytes data;
    bool marked = false;
};

struct Master {
    Bench bench;
    size_t in_bytes, out_bytes;
    uint64_t stalls, state;
    std::vector<uint32_t> word;

    bool open() {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        return (state >> 32 & 255) >= stalls;
    }
    void wait(int cycles) {
        for (int k = 0; k < cycles; ++k) {
            bench.settle();
            bench.rise();
        }
    }
    void reset() {
        bench.top.aresetn = 0;
        wait(16);
        bench.top.aresetn = 1;
        wait(2);
    }
    uint32_t read(uint32_t offset) {
        auto& top = bench.top;
        top.s_axi_araddr = offset;
        top.s_axi_arvalid = top.s_axi_rready = 1;
        for (;;) {
            bench.settle();
            const bool taken = top.s_axi_arready, given = top.s_axi_rvalid;
            const uint32_t value = top.s_axi_rresp ? 0xDEADDEAD : top.s_axi_rdata;
            bench.rise();
            if (taken) top.s_axi_arvalid = 0;
            if (given) {
                top.s_axi_rready = 0;
                return value;
            }
        }
    }
    uint8_t write(uint32_t offset, uint32_t value) {
        auto& top = bench.top;
        top.s_axi_awaddr = offset;
        top.s_axi_wdata = value;
        top.s_axi_wstrb = 15;
        top.s_axi_awvalid = top.s_axi_wvalid = top.s_axi_bready = 1;
        for (;;) {
            bench.settle();
            const bool address = top.s_axi_awready, data = top.s_axi_wready;
            const bool given = top.s_axi_bvalid;
            const uint8_t response = top.s_axi_bresp;
            bench.rise();
            if (address) top.s_axi_awvalid = 0;
            if (data) top.s_axi_wvalid = 0;
            if (given) {
                top.s_axi_bready = 0;
                return response;
            }
        }
    }
    void offer(const uint8_t* data, size_t size) {
        auto& top = bench.top;
        const size_t part = size < in_bytes ? size : in_bytes;
        word.assign(in_bytes / 4 + 1, 0);
        __builtin_memcpy(word.data(), data, part);
        put(top.s_axis_tdata, word.data());
        word.assign(in_bytes / 32 + 1, 0);
        for (size_t k = 0; k < part; ++k) word[k / 32] |= 1u << k % 32;
        put(top.s_axis_tkeep, word.data());
        top.s_axis_tlast = size <= in_bytes;
        top.s_axis_tvalid = 1;
    }
    void take(Packet& packet) {
        word.assign(out_bytes / 4 + 1, 0);
        get(bench.top.m_axis_tdata, word.data());
        const auto* bytes = reinterpret_cast<const uint8_t*>(word.data());
        packet.data.insert(packet.data.end(), bytes, bytes + out_bytes);
        packet.marked = bench.top.m_axis_tuser;
    }
    std::vector<Packet> exchange(const Bytes& data, size_t frame, size_t count, uint64_t patience) {
        auto& top = bench.top;
        std::vector<Packet> packets;
        Packet packet;
        size_t at = 0;
        for (uint64_t idle = 0; packets.size() < count && idle < patience; ++idle) {
            if (!top.s_axis_tvalid && at < data.size() && open())
                offer(&data[at], frame - at % frame);
            top.m_axis_tready = open();
            bench.settle();
            const bool sent = top.s_axis_tvalid && top.s_axis_tready;
            if (top.m_axis_tvalid && top.m_axis_tready) {
                idle = 0;
                take(packet);
                if (top.m_axis_tlast) {
                    packets.push_back(packet);
                    packet = {};
                }
            }
            bench.rise();
            if (sent) {
                idle = 0;
                at += top.s_axis_tlast ? frame - at % frame : in_bytes;
                top.s_axis_tvalid = 0;
            }
        }
        top.s_axis_tvalid = top.m_axis_tready = 0;
        return packets;
    }
};

void answer(const std::vector<Packet>& packets, size_t result) {
    write_number(static_cast<uint32_t>(packets.size()));
    for (const auto& packet : packets) {
        write_number(static_cast<uint32_t>(packet.data.size()));
        write_number(static_cast<uint8_t>(packet.marked));
        write_bytes(packet.data.data(), packet.data.size() < result ? packet.data.size() : result);
    }
}

}  // namespace

int main(int argc, char** argv) {
    Master master;
    master.in_bytes = argument(argc, argv, 1);
    master.out_bytes = argument(argc, argv, 2);
    master.stalls = argument(argc, argv, 3);
    master.state = argument(argc, argv, 4) * 0x9E3779B97F4A7C15 + 1;
    master.reset();
    for (;;) {
        const char request = read_number<char>();
        if (request == 'r') {
            write_number(master.read(read_number<uint32_t>()));
        } else if (request == 'w') {
            const auto offset = read_number<uint32_t>(), value = read_number<uint32_t>();
            write_number(master.write(offset, value));
        } else {
            const auto count = read_number<uint32_t>(), frame = read_number<uint32_t>();
            const auto result = read_number<uint32_t>();
            const auto patience = read_number<uint64_t>();
            Bytes data(size_t{count} * frame);
            read_bytes(data.data(), data.size());
            answer(master.exchange(data, frame, count, patience), result);
        }
        std::fflush(stdout);
    }
}
