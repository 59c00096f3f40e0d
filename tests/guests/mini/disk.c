// Commands on virtio-blk and virtio-scsi devices.
#include "mini.h"

#define SECTOR 512
#define PATIENCE 100000000   // some seconds: a busy host lets a write wait
#define TIMED_OUT 100

static u8 buffer[4096] __attribute__((aligned(4096)));

// --- virtio-blk ---

enum block_request { READ = 0, WRITE = 1 };

static u32 header[4];    // kind, reserved, sector (64 bits)
static volatile u8 status;

static int transfer(struct virtio_device *device, enum block_request kind, u32 sector) {
    struct descriptor *chain = device->queues[0]->descriptors;
    header[0] = kind;
    header[1] = 0;
    header[2] = sector;
    header[3] = 0;
    status = 0xff;
    chain[0] = (struct descriptor){(u32)header, sizeof header, MORE, 1};
    chain[1] = (struct descriptor){(u32)buffer, SECTOR, kind == READ ? MORE | DEVICE_WRITES : MORE, 2};
    chain[2] = (struct descriptor){(u32)&status, 1, DEVICE_WRITES, 0};
    virtio_submit(device, 0, 0);
    return virtio_wait(device, 0, PATIENCE) ? TIMED_OUT : status;
}

static int failed(int code) {
    put("err ");
    put_number(code);
    put_char('\n');
    return code;
}

static int show_capacity(struct virtio_device *device) {
    put("sectors ");
    put_number(*(volatile u32 *)device->config);
    put_char('\n');
    return 0;
}

static int read(struct virtio_device *device, char *line) {
    memset(buffer, 0, SECTOR);
    int code = transfer(device, READ, take_number(&line));
    if (code)
        return failed(code);
    put_dump(buffer, 32);
    return 0;
}

static int write(struct virtio_device *device, char *line) {
    u32 sector = take_number(&line);
    skip_spaces(&line);
    memset(buffer, 0, SECTOR);
    for (int i = 0; line[i] && i < SECTOR - 12; i++)
        buffer[i] = line[i];
    int code = transfer(device, WRITE, sector);
    return code ? failed(code) : 0;
}

// flood ADDRESS COUNT [STEP]: writes one sector COUNT times, STEP sectors apart.
static int flood(struct virtio_device *device, char *line) {
    u32 count = take_number(&line);
    u32 step = take_number(&line);
    if (!step)
        step = 1;
    memset(buffer, 0x5a, SECTOR);
    for (u32 i = 0; i < count; i++)
        if (transfer(device, WRITE, i * step))
            return 2;
    return 0;
}

// --- virtio-scsi ---

#define REQUESTS 2    // the queue
#define CDB_SIZE 16

struct scsi_request {
    u8 lun[8];
    u8 id[8];
    u8 attributes[3];
    u8 cdb[32];
};

struct scsi_response {
    u32 sense_length;
    u32 residual;
    u16 qualifier;
    u8 status;
    u8 response;
    u8 sense[96];
};

static struct scsi_request request __attribute__((aligned(16)));
static struct scsi_response response __attribute__((aligned(16)));

// The SCSI status, or 200 and more when the adapter itself refused.
static int scsi_transfer(struct virtio_device *device) {
    struct descriptor *chain = device->queues[REQUESTS]->descriptors;
    memset(&response, 0, sizeof response);
    memset(buffer, 0, SECTOR);
    chain[0] = (struct descriptor){(u32)&request, sizeof request, MORE, 1};
    chain[1] = (struct descriptor){(u32)&response, sizeof response, MORE | DEVICE_WRITES, 2};
    chain[2] = (struct descriptor){(u32)buffer, 2048, DEVICE_WRITES, 0};
    virtio_submit(device, REQUESTS, 0);
    if (virtio_wait(device, REQUESTS, PATIENCE))
        return TIMED_OUT;
    return response.response ? 200 + response.response : response.status;
}

// scsi ADDRESS TARGET LUN CDB: the command as hexadecimal bytes.
static int scsi(struct virtio_device *device, char *line) {
    u32 target = take_number(&line);
    u32 lun = take_number(&line);
    memset(&request, 0, sizeof request);
    request.lun[0] = 1;
    request.lun[1] = target;
    request.lun[2] = 0x40 | lun >> 8;
    request.lun[3] = lun;
    skip_spaces(&line);
    for (int i = 0; *line && i < CDB_SIZE; i++) {
        char byte[] = {'0', 'x', line[0], line[1], 0};
        char *at = byte;
        request.cdb[i] = take_number(&at);
        line += line[1] ? 2 : 1;
        skip_spaces(&line);
    }
    int code = scsi_transfer(device);
    put("status ");
    put_number(code);
    put(" sense ");
    put_dump(response.sense, 14);
    put_dump(buffer, 48);
    return 0;
}

int disk_command(char *line) {
    enum virtio_type type = VIRTIO_BLOCK;
    int (*command)(struct virtio_device *, char *) = 0;
    int capacity = take_word(&line, "cap");
    if (take_word(&line, "r"))
        command = read;
    else if (take_word(&line, "w"))
        command = write;
    else if (take_word(&line, "flood"))
        command = flood;
    else if (take_word(&line, "scsi")) {
        command = scsi;
        type = VIRTIO_SCSI;
    } else if (!capacity)
        return NOT_MINE;
    struct virtio_device *device = virtio_open(take_address(&line), type);
    if (!device)
        return 1;
    return capacity ? show_capacity(device) : command(device, line);
}
