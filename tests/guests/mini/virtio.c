// Virtio 1.0 over PCI, polled.
#include "mini.h"

#define MAX_DEVICES 12
#define STATUS_READY 15             // acknowledge, driver, driver ok, features ok
#define STATUS_FEATURES_OK 8
#define FEATURE_NET_MAC (1u << 5)
#define FEATURE_VERSION_1 1u        // bit 32: bit 0 of the upper half

#define REG_CAPABILITIES 0x34
#define VENDOR_CAPABILITY 9
enum capability { COMMON = 1, NOTIFY = 2, CONFIG = 4 };

// Offsets in the common configuration.
#define DRIVER_FEATURE_SELECT 8
#define DRIVER_FEATURE 12
#define DEVICE_STATUS 20
#define QUEUE_SELECT 22
#define QUEUE_LENGTH 24
#define QUEUE_ENABLE 28
#define QUEUE_NOTIFY_OFFSET 30
#define QUEUE_DESCRIPTORS 32
#define QUEUE_AVAILABLE 40
#define QUEUE_USED 48

#define REG8(at) (*(volatile u8 *)(at))
#define REG16(at) (*(volatile u16 *)(at))
#define REG32(at) (*(volatile u32 *)(at))

static struct virtio_device devices[MAX_DEVICES];
static struct queue queues[MAX_DEVICES][QUEUES];
static int device_count;

static void barrier(void) { __asm__ volatile("" ::: "memory"); }

// Where a capability's structure lies in memory; 0 if out of reach.
static volatile u8 *structure(u32 address, u32 capability) {
    u32 reg = 0x10 + pci_read8(address, capability + 4) * 4;
    u32 bar = pci_read32(address, reg);
    u32 upper = (bar & 6) == 4 ? pci_read32(address, reg + 4) : 0;
    if (upper || bar & 1 || !(bar & ~15u))
        return 0;
    return (volatile u8 *)((bar & ~15u) + pci_read32(address, capability + 8));
}

static void find_structures(struct virtio_device *device) {
    u32 address = device->address;
    for (u32 at = pci_read8(address, REG_CAPABILITIES); at; at = pci_read8(address, at + 1)) {
        if (pci_read8(address, at) != VENDOR_CAPABILITY)
            continue;
        switch (pci_read8(address, at + 3)) {
        case COMMON:
            device->common = structure(address, at);
            break;
        case NOTIFY:
            device->notify = structure(address, at);
            device->notify_step = pci_read32(address, at + 16);
            break;
        case CONFIG:
            device->config = structure(address, at);
            break;
        }
    }
}

static void set_address(volatile u8 *reg, volatile void *memory) {
    REG32(reg) = (u32)memory;
    REG32(reg + 4) = 0;
}

static int set_queue(struct virtio_device *device, int number, struct queue *queue) {
    volatile u8 *common = device->common;
    memset(queue, 0, sizeof *queue);
    device->queues[number] = queue;
    REG16(common + QUEUE_SELECT) = number;
    if (REG16(common + QUEUE_LENGTH) == 0)
        return 0;
    REG16(common + QUEUE_LENGTH) = QUEUE_SIZE;
    set_address(common + QUEUE_DESCRIPTORS, queue->descriptors);
    set_address(common + QUEUE_AVAILABLE, &queue->available);
    set_address(common + QUEUE_USED, &queue->used);
    u32 doorbell = REG16(common + QUEUE_NOTIFY_OFFSET) * device->notify_step;
    device->doorbells[number] = (volatile u16 *)(device->notify + doorbell);
    REG16(common + QUEUE_ENABLE) = 1;
    return 1;
}

static int queue_count(enum virtio_type type) {
    switch (type) {
    case VIRTIO_BLOCK:
        return 1;
    case VIRTIO_NET:
        return 2;    // receive, send
    default:
        return 3;    // of SCSI: control, event, requests
    }
}

// Returns 0, or the step that failed.
static int init(struct virtio_device *device, struct pci_device *pci, enum virtio_type type) {
    pci_enable(pci);
    memset(device, 0, sizeof *device);
    device->address = pci->address;
    device->type = type;
    find_structures(device);
    volatile u8 *common = device->common;
    if (!common || !device->notify)
        return 1;

    REG8(common + DEVICE_STATUS) = 0;
    while (REG8(common + DEVICE_STATUS))
        ;
    REG8(common + DEVICE_STATUS) = 1;
    REG8(common + DEVICE_STATUS) = 3;
    REG32(common + DRIVER_FEATURE_SELECT) = 0;
    REG32(common + DRIVER_FEATURE) = type == VIRTIO_NET ? FEATURE_NET_MAC : 0;
    REG32(common + DRIVER_FEATURE_SELECT) = 1;
    REG32(common + DRIVER_FEATURE) = FEATURE_VERSION_1;
    REG8(common + DEVICE_STATUS) = 11;
    if (!(REG8(common + DEVICE_STATUS) & STATUS_FEATURES_OK))
        return 2;

    for (int i = 0; i < queue_count(type); i++)
        if (!set_queue(device, i, &queues[device - devices][i]))
            return 3;
    REG8(common + DEVICE_STATUS) = STATUS_READY;
    return 0;
}

// A device that was unplugged and plugged again has lost its status.
static int in_use(struct virtio_device *device, u32 address, int type) {
    return device->address == address && device->type == type &&
           REG8(device->common + DEVICE_STATUS) == STATUS_READY;
}

struct virtio_device *virtio_open(u32 address, enum virtio_type type) {
    struct virtio_device *place = 0;
    for (int i = 0; i < device_count; i++) {
        if (in_use(&devices[i], address, type))
            return &devices[i];
        if (devices[i].address == address)
            place = &devices[i];
    }
    struct pci_device *pci = pci_find(address);
    if (!pci) {
        put("no such device\n");
        return 0;
    }
    if (!place && device_count < MAX_DEVICES)
        place = &devices[device_count++];
    if (!place) {
        put("too many devices\n");
        return 0;
    }
    int failed = init(place, pci, type);
    if (failed) {
        put("virtio init failed ");
        put_number(failed);
        put_char('\n');
        place->type = 0;
        return 0;
    }
    return place;
}

void virtio_submit(struct virtio_device *device, int queue, u16 head) {
    struct available_ring *available = &device->queues[queue]->available;
    available->ring[available->index % QUEUE_SIZE] = head;
    barrier();
    available->index++;
    barrier();
    *device->doorbells[queue] = queue;
}

int virtio_wait(struct virtio_device *device, int queue, u32 patience) {
    while (device->queues[queue]->used.index == device->seen[queue]) {
        if (!patience--)
            return 1;
        inb(0x80);    // takes a moment
    }
    device->seen[queue]++;
    return 0;
}

struct used_element virtio_taken(struct virtio_device *device, int queue) {
    u16 last = device->seen[queue] - 1;
    volatile struct used_element *element = &device->queues[queue]->used.ring[last % QUEUE_SIZE];
    return (struct used_element){element->id, element->length};
}
