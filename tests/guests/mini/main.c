// The line protocol, and the commands that need no driver.
#include "mini.h"

#define RESET_CONTROL 0xcf9
#define RESET_HARD 6
#define PANIC_PORT 0x505
#define PANICKED 1
#define WATCHDOG_PORT 0x443      // of the ib700
#define HYPERVISOR_LEAF 0x40000000
#define LINE_SIZE 256
#define IDLE_ROUNDS 2000         // between two looks at ACPI, which are slow

static int show_cpu(void) {
    u32 name[4] = {0};
    u32 leaf = HYPERVISOR_LEAF;
    __asm__("cpuid" : "+a"(leaf), "=b"(name[0]), "=c"(name[1]), "=d"(name[2]));
    put((char *)name);
    put_char('\n');
    return 0;
}

static int show_pci(void) {
    pci_scan();
    for (struct pci_device *device = pci_devices; device < pci_devices + pci_count; device++) {
        put_number(device->address >> 8);
        put_char(':');
        put_number(device->address >> 3 & 31);
        put_char('.');
        put_number(device->address & 7);
        put_char(' ');
        put_hex(device->id & 0xffff, 4);
        put_char(':');
        put_hex(device->id >> 16, 4);
        put(" cls ");
        put_hex(device->class, 6);
        put_char('\n');
    }
    return 0;
}

static int peek(char *line) {
    put_hex(*(volatile u32 *)take_number(&line), 8);
    put_char('\n');
    return 0;
}

static int poke(char *line) {
    volatile u32 *at = (volatile u32 *)take_number(&line);
    *at = take_number(&line);
    return 0;
}

int run_command(char *line) {
    int code = disk_command(line);
    if (code == NOT_MINE)
        code = net_command(line);
    if (code == NOT_MINE)
        code = watchdog_command(line);
    if (code != NOT_MINE)
        return code;

    if (take_word(&line, "cpu"))
        return show_cpu();
    if (take_word(&line, "pci"))
        return show_pci();
    if (take_word(&line, "peek"))
        return peek(line);
    if (take_word(&line, "poke"))
        return poke(line);
    if (take_word(&line, "ack"))
        acpi_acknowledge_eject = take_number(&line);
    else if (take_word(&line, "pwr"))
        acpi_obey_power_button = take_number(&line);
    else if (take_word(&line, "off"))
        acpi_power_off();
    else if (take_word(&line, "reset"))
        outb(RESET_CONTROL, RESET_HARD);
    else if (take_word(&line, "halt"))
        __asm__ volatile("cli; hlt");
    else if (take_word(&line, "panic"))
        outb(PANIC_PORT, PANICKED);
    else if (take_word(&line, "wdt"))
        outb(WATCHDOG_PORT, take_number(&line));
    else {
        put("?\n");
        return UNKNOWN_COMMAND;
    }
    return 0;
}

// "ID command": answers "<ID", the output, ">ID code".
static void answer(char *line) {
    char *id = line;
    while (*line && *line != ' ')
        line++;
    if (*line)
        *line++ = 0;
    put_char('<');
    put(id);
    put_char('\n');
    int code = run_command(line);
    put_char('>');
    put(id);
    put_char(' ');
    put_number(code);
    put_char('\n');
}

static void receive(void) {
    static char line[LINE_SIZE];
    static int length;
    char c = serial_get();
    if (c != '\r' && c != '\n') {
        if (length < LINE_SIZE - 1)
            line[length++] = c;
        return;
    }
    line[length] = 0;
    if (length)
        answer(line);
    length = 0;
}

void guest_main(void) {
    int idle = 0;
    serial_init();
    acpi_init();
    for (;;) {
        if (serial_ready()) {
            receive();
        } else if (++idle > IDLE_ROUNDS) {
            idle = 0;
            acpi_poll();
        }
    }
}
