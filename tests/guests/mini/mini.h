// A freestanding 32-bit guest for tests of libvirt: one serial line protocol, a few
// virtio drivers, the ACPI duties of a guest. It only polls, because the KVM of some
// machines emulates every instruction and knows no interrupts in protected mode.
#ifndef MINI_H
#define MINI_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

// --- ports ---

static inline void outb(u16 port, u8 value) { __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port)); }
static inline void outw(u16 port, u16 value) { __asm__ volatile("outw %0, %1" ::"a"(value), "Nd"(port)); }
static inline void outl(u16 port, u32 value) { __asm__ volatile("outl %0, %1" ::"a"(value), "Nd"(port)); }

static inline u8 inb(u16 port) {
    u8 value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline u16 inw(u16 port) {
    u16 value;
    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline u32 inl(u16 port) {
    u32 value;
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

// --- text.c: memory, serial port, parsing ---

void *memset(void *to, int byte, u32 count);
void *memcpy(void *to, const void *from, u32 count);

void serial_init(void);
int serial_ready(void);
char serial_get(void);
void put_char(char c);
void put(const char *text);
void put_hex(u32 value, int digits);
void put_number(u32 value);
void put_dump(const u8 *bytes, int count);

void skip_spaces(char **at);
u32 take_number(char **at);    // decimal, or hexadecimal after 0x
int take_word(char **at, const char *word);
u32 take_address(char **at);   // bus:slot.function, decimal

// --- pci.c ---

#define NO_PARENT (~0u)

// A function on the bus; `address` is bus << 8 | slot << 3 | function.
struct pci_device {
    u32 address;
    u32 id;
    u32 class;
    u32 parent;    // address of the bridge above it, or NO_PARENT
};

extern struct pci_device pci_devices[];
extern int pci_count;

u32 pci_read32(u32 address, u32 reg);
u16 pci_read16(u32 address, u32 reg);
u8 pci_read8(u32 address, u32 reg);
void pci_write32(u32 address, u32 reg, u32 value);
void pci_write8(u32 address, u32 reg, u8 value);
void pci_scan(void);
struct pci_device *pci_find(u32 address);
void pci_enable(struct pci_device *device);    // gives it memory, if it has none

// --- virtio.c ---

enum virtio_type { VIRTIO_NET = 1, VIRTIO_BLOCK = 2, VIRTIO_SCSI = 8 };

#define QUEUE_SIZE 16
#define QUEUES 3

struct descriptor {
    u64 address;
    u32 length;
    u16 flags;
    u16 next;
};

enum descriptor_flags { MORE = 1, DEVICE_WRITES = 2 };

struct available_ring {
    u16 flags;
    u16 index;
    u16 ring[QUEUE_SIZE];
    u16 event;
};

struct used_element {
    u32 id;
    u32 length;
};

struct used_ring {
    u16 flags;
    u16 index;
    struct used_element ring[QUEUE_SIZE];
    u16 event;
};

struct queue {
    struct descriptor descriptors[QUEUE_SIZE];
    struct available_ring available;
    volatile struct used_ring used __attribute__((aligned(4096)));
} __attribute__((aligned(4096)));

struct virtio_device {
    u32 address;
    int type;
    volatile u8 *common;
    volatile u8 *notify;
    volatile u8 *config;    // of the type: capacity, MAC address, ...
    u32 notify_step;
    struct queue *queues[QUEUES];
    volatile u16 *doorbells[QUEUES];
    u16 seen[QUEUES];       // how many used elements were taken
};

struct virtio_device *virtio_open(u32 address, enum virtio_type type);
void virtio_submit(struct virtio_device *device, int queue, u16 head);
int virtio_wait(struct virtio_device *device, int queue, u32 patience);    // 0, or 1 when time ran out
struct used_element virtio_taken(struct virtio_device *device, int queue);

// --- acpi.c ---

extern int acpi_acknowledge_eject;
extern int acpi_obey_power_button;

void acpi_init(void);    // ends with the line that says ready
void acpi_poll(void);
void acpi_power_off(void);

// --- disk.c, net.c, watchdog.c, main.c: each returns what the protocol reports ---

int disk_command(char *line);    // cap r w flood scsi
int net_command(char *line);     // mac arp sniff
int watchdog_command(char *line);    // i6300esb
int run_command(char *line);

#define NOT_MINE (-1)
#define UNKNOWN_COMMAND 127

#endif
