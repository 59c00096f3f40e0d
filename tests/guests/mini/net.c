// Commands on virtio-net devices: the address, one ARP question, what arrives.
#include "mini.h"

#define RECEIVE 0
#define SEND 1
#define BUFFERS 8
#define HEADER 12    // of virtio, before each frame
#define ARP_FRAME 60
#define MAX_FRAMES 2000    // old ones first: a tap keeps a thousand for an idle guest

static u8 received[BUFFERS][2048] __attribute__((aligned(16)));
static u8 sent[HEADER + ARP_FRAME];

struct arp_frame {
    u8 to[6];
    u8 from[6];
    u8 type[2];
    u8 hardware[2];
    u8 protocol[2];
    u8 sizes[2];
    u8 operation[2];
    u8 sender_mac[6];
    u8 sender_ip[4];
    u8 target_mac[6];
    u8 target_ip[4];
};

static void offer_buffers(struct virtio_device *device) {
    struct queue *queue = device->queues[RECEIVE];
    if (queue->available.index)
        return;
    for (int i = 0; i < BUFFERS; i++) {
        queue->descriptors[i] = (struct descriptor){(u32)received[i], sizeof received[i], DEVICE_WRITES, 0};
        virtio_submit(device, RECEIVE, i);
    }
}

static int show_mac(struct virtio_device *device) {
    for (int i = 0; i < 6; i++)
        put_hex(device->config[i], 2);
    put(" link ");
    put_number(*(volatile u16 *)(device->config + 6) & 1);
    put_char('\n');
    return 0;
}

static void take_ip(char **at, u8 *ip) {
    for (int i = 0; i < 4; i++) {
        ip[i] = take_number(at);
        if (**at == '.')
            ++*at;
    }
}

static int send_frame(struct virtio_device *device) {
    device->queues[SEND]->descriptors[0] = (struct descriptor){(u32)sent, sizeof sent, 0, 0};
    virtio_submit(device, SEND, 0);
    return virtio_wait(device, SEND, 100000);
}

// arp ADDRESS OWN-IP WANTED-IP: asks, again while no answer comes.
static int arp(struct virtio_device *device, char *line) {
    struct arp_frame *frame = (struct arp_frame *)(sent + HEADER);
    memset(sent, 0, sizeof sent);
    memset(frame->to, 0xff, 6);
    for (int i = 0; i < 6; i++)
        frame->from[i] = frame->sender_mac[i] = device->config[i];
    memcpy(frame->type, "\x08\x06", 2);
    memcpy(frame->hardware, "\x00\x01", 2);
    memcpy(frame->protocol, "\x08\x00", 2);
    memcpy(frame->sizes, "\x06\x04", 2);
    memcpy(frame->operation, "\x00\x01", 2);
    take_ip(&line, frame->sender_ip);
    take_ip(&line, frame->target_ip);

    offer_buffers(device);
    int silences = 0;
    if (send_frame(device)) {
        put("tx timeout\n");
        return 2;
    }
    for (int frames = 0; frames < MAX_FRAMES; frames++) {
        if (virtio_wait(device, RECEIVE, 1000000)) {
            if (++silences > 6) {
                put("no reply\n");
                return 3;
            }
            if (send_frame(device))
                return 2;
            continue;
        }
        u32 buffer = virtio_taken(device, RECEIVE).id;
        struct arp_frame *answer = (struct arp_frame *)(received[buffer] + HEADER);
        int hit = answer->type[0] == 8 && answer->type[1] == 6 && answer->operation[1] == 2;
        if (hit) {
            put("reply ");
            put_dump(answer->sender_mac, 10);
        }
        virtio_submit(device, RECEIVE, buffer);
        if (hit)
            return 0;
    }
    return 4;
}

static int sniff(struct virtio_device *device) {
    offer_buffers(device);
    for (int i = 0; i < BUFFERS && !virtio_wait(device, RECEIVE, 20000); i++) {
        struct used_element frame = virtio_taken(device, RECEIVE);
        put_number(frame.length);
        put_char(' ');
        put_dump(received[frame.id] + HEADER, sizeof(struct arp_frame));
        virtio_submit(device, RECEIVE, frame.id);
    }
    return 0;
}

int net_command(char *line) {
    int wants_mac = take_word(&line, "mac");
    int wants_arp = !wants_mac && take_word(&line, "arp");
    if (!wants_mac && !wants_arp && !take_word(&line, "sniff"))
        return NOT_MINE;
    struct virtio_device *device = virtio_open(take_address(&line), VIRTIO_NET);
    if (!device)
        return 1;
    if (wants_mac)
        return show_mac(device);
    return wants_arp ? arp(device, line) : sniff(device);
}
