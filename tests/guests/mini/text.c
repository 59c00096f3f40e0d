// Memory, the serial port, and reading of words and numbers.
#include "mini.h"

#define COM1 0x3f8
#define INTERRUPT_ENABLE (COM1 + 1)
#define FIFO_CONTROL (COM1 + 2)
#define LINE_CONTROL (COM1 + 3)
#define MODEM_CONTROL (COM1 + 4)
#define LINE_STATUS (COM1 + 5)
#define STATUS_RECEIVED 0x01
#define STATUS_CAN_SEND 0x20

void *memset(void *to, int byte, u32 count) {
    u8 *at = to;
    while (count--)
        *at++ = byte;
    return to;
}

void *memcpy(void *to, const void *from, u32 count) {
    u8 *at = to;
    const u8 *source = from;
    while (count--)
        *at++ = *source++;
    return to;
}

void serial_init(void) {
    outb(INTERRUPT_ENABLE, 0);
    outb(LINE_CONTROL, 0x03);     // 8 bits, no parity
    outb(FIFO_CONTROL, 0x07);     // on, emptied
    outb(MODEM_CONTROL, 0x03);
}

int serial_ready(void) { return inb(LINE_STATUS) & STATUS_RECEIVED; }

char serial_get(void) { return inb(COM1); }

void put_char(char c) {
    while (!(inb(LINE_STATUS) & STATUS_CAN_SEND))
        ;
    outb(COM1, c);
}

void put(const char *text) {
    while (*text)
        put_char(*text++);
}

void put_hex(u32 value, int digits) {
    while (digits--)
        put_char("0123456789abcdef"[(value >> (digits * 4)) & 15]);
}

void put_number(u32 value) {
    char digits[10];
    int count = 0;
    do {
        digits[count++] = '0' + value % 10;
        value /= 10;
    } while (value);
    while (count)
        put_char(digits[--count]);
}

// Hexadecimal, then the same as text between bars.
void put_dump(const u8 *bytes, int count) {
    for (int i = 0; i < count; i++)
        put_hex(bytes[i], 2);
    put(" |");
    for (int i = 0; i < count; i++)
        put_char(bytes[i] >= ' ' && bytes[i] < 127 ? bytes[i] : '.');
    put("|\n");
}

void skip_spaces(char **at) {
    while (**at == ' ')
        ++*at;
}

static int digit(char c) {
    char lower = c | 0x20;
    if (c >= '0' && c <= '9')
        return c - '0';
    if (lower >= 'a' && lower <= 'f')
        return lower - 'a' + 10;
    return 16;
}

u32 take_number(char **at) {
    u32 value = 0;
    int base = 10;
    skip_spaces(at);
    if ((*at)[0] == '0' && (*at)[1] == 'x') {
        base = 16;
        *at += 2;
    }
    for (; digit(**at) < base; ++*at)
        value = value * base + digit(**at);
    return value;
}

int take_word(char **at, const char *word) {
    char *rest = *at;
    while (*word)
        if (*rest++ != *word++)
            return 0;
    if (*rest && *rest != ' ')
        return 0;
    skip_spaces(&rest);
    *at = rest;
    return 1;
}

u32 take_address(char **at) {
    u32 bus = take_number(at);
    if (**at == ':')
        ++*at;
    u32 slot = take_number(at);
    if (**at == '.')
        ++*at;
    u32 function = take_number(at);
    return bus << 8 | slot << 3 | function;
}
