// A host's serial port on `rx` and `tx` of the top, bit by bit, 8N1.
//
// Arguments: the clock in Hz, the host's baud rate. Requests:
//   W, uint32 n, n bytes: send them, behind those that wait. No answer.
//   R, uint64 cycles: let time pass until a packet has come (a flag behind other bytes), so many
//   cycles at most. Answer: uint64 cycle, uint32 n, n bytes that have come, without idle flags.

#define CLOCK clk
#include "bench.h"

#include <deque>

namespace {

constexpr uint8_t kFlag = 0x7E;

struct Port {
    Bench bench;
    uint64_t clock, baud;
    std::deque<uint8_t> waiting;
    Bytes heard;
    unsigned frame = 0;  // start bit, byte, stop bit
    uint64_t send_start = 0, hear_start = 0;
    int sending = 10;    // the bit that is sent, 10 for none
    int hearing = -1;    // the bit that is waited for, -1 for none
    uint8_t byte = 0;
    bool inside = false, packet = false;

    // The cycle in which a bit of a frame is `half` half bits old.
    uint64_t when(uint64_t start, int half) const { return start + half * clock / (2 * baud); }

    void send() {
        if (sending < 10 && bench.cycle >= when(send_start, 2 * (sending + 1))) ++sending;
        if (sending == 10 && !waiting.empty()) {
            frame = waiting.front() << 1 | 0x200;
            waiting.pop_front();
            send_start = bench.cycle;
            sending = 0;
        }
        bench.top.rx = sending == 10 || (frame >> sending & 1);
    }
    void hear(bool line) {
        if (hearing < 0) {
            if (line) return;
            hear_start = bench.cycle;
            hearing = 0;
        }
        if (bench.cycle < when(hear_start, 2 * hearing + 1)) return;
        if (hearing == 0 && line) {
            hearing = -1;
        } else if (hearing < 9) {
            byte = static_cast<uint8_t>(byte >> 1 | line << 7);
            ++hearing;
        } else if (line) {  // with a stop bit of 0 one waits for it: a break
            arrived(byte);
            hearing = -1;
        }
    }
    void arrived(uint8_t value) {
        if (value == kFlag && !inside) return;
        heard.push_back(value);
        inside = value != kFlag;
        packet |= !inside;
    }
    void run(uint64_t cycles) {
        const uint64_t end = bench.cycle + cycles;
        while (bench.cycle < end && !packet) {
            send();
            bench.settle();
            hear(bench.top.tx);
            bench.rise();
        }
        packet = false;
        write_number(bench.cycle);
        write_number(static_cast<uint32_t>(heard.size()));
        write_bytes(heard.data(), heard.size());
        std::fflush(stdout);
        heard.clear();
    }
};

}  // namespace

int main(int argc, char** argv) {
    Port port;
    port.clock = argument(argc, argv, 1);
    port.baud = argument(argc, argv, 2);
    port.bench.top.rst = 0;
    for (;;) {
        if (read_number<char>() == 'W') {
            Bytes data(read_number<uint32_t>());
            read_bytes(data.data(), data.size());
            port.waiting.insert(port.waiting.end(), data.begin(), data.end());
        } else {
            port.run(read_number<uint64_t>());
        }
    }
}
