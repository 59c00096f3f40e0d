//! The adapter's `unsafe`: the libvirt calls that `virt` lacks or gets wrong (it drops the
//! errors of some), and the look at `/dev/kvm`.

use crate::model::VmId;
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;
use virt::connect::Connect;
use virt::domain::Domain;
use virt::error::Error;
use virt::network::Network;
use virt::sys;

type Result<T> = std::result::Result<T, Error>;

fn checked(code: c_int) -> Result<c_int> {
    if code < 0 { Err(Error::last_error()) } else { Ok(code) }
}

/// A C string that libvirt lends; empty for NULL.
///
/// # Safety
/// `text` is NULL or points to a string that ends in NUL and outlives the call.
unsafe fn text_of(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// # Safety
/// `domain` is a valid handle.
unsafe fn uuid_of(domain: sys::virDomainPtr) -> Uuid {
    let mut bytes = [0; sys::VIR_UUID_BUFLEN as usize];
    // SAFETY: the handle is valid, and the buffer has the size that libvirt writes.
    unsafe { sys::virDomainGetUUID(domain, bytes.as_mut_ptr()) };
    Uuid::from_bytes(bytes)
}

// ---------------------------------------------------------------- one domain

/// State and reason.
pub fn state(domain: &Domain) -> Result<(u32, u32)> {
    let (mut state, mut reason) = (0, 0);
    // SAFETY: the handle lives as long as `domain`; libvirt writes to the two locals only.
    checked(unsafe { sys::virDomainGetState(domain.as_ptr(), &mut state, &mut reason, 0) })?;
    Ok((state as u32, reason as u32))
}

/// Name, hardware address and addresses of the guest's interfaces. `virt` leaks what it was given.
pub fn interfaces(domain: &Domain, source: c_uint) -> Result<Vec<(String, String, Vec<String>)>> {
    let mut found: *mut sys::virDomainInterfacePtr = ptr::null_mut();
    // SAFETY: the handle lives as long as `domain`; libvirt allocates the list into the local.
    let count = checked(unsafe { sys::virDomainInterfaceAddresses(domain.as_ptr(), &mut found, source, 0) })?;
    let mut interfaces = Vec::new();
    for index in 0..count as usize {
        // SAFETY: the list has `count` valid interfaces, each with `naddrs` addresses, all ours to
        // free, which is done once after their texts were copied.
        unsafe {
            let interface = *found.add(index);
            let addresses = (0..(*interface).naddrs as usize)
                .map(|at| text_of((*(*interface).addrs.add(at)).addr))
                .collect();
            interfaces.push((text_of((*interface).name), text_of((*interface).hwaddr), addresses));
            sys::virDomainInterfaceFree(interface);
        }
    }
    // SAFETY: the list itself was allocated for us by libvirt with malloc.
    unsafe { nix::libc::free(found.cast()) };
    Ok(interfaces)
}

/// What the guest's agent tells, of these kinds.
pub fn guest_info(domain: &Domain, kinds: c_uint) -> Result<Vec<(String, Value)>> {
    let mut parameters: sys::virTypedParameterPtr = ptr::null_mut();
    let mut count: c_int = 0;
    // SAFETY: the handle lives as long as `domain`; libvirt allocates the list into the locals.
    checked(unsafe { sys::virDomainGetGuestInfo(domain.as_ptr(), kinds, &mut parameters, &mut count, 0) })?;
    // SAFETY: the list has `count` parameters that libvirt filled; it is freed once, after the copy.
    unsafe {
        let copied = (0..count as usize).filter_map(|at| value_of(&*parameters.add(at))).collect();
        sys::virTypedParamsFree(parameters, count);
        Ok(copied)
    }
}

/// Hardware and network address of whoever has a lease of the network, and when that ends, in seconds of
/// the epoch; 0 is never.
pub fn leases(network: &Network) -> Result<Vec<(String, String, i64)>> {
    let mut found: *mut sys::virNetworkDHCPLeasePtr = ptr::null_mut();
    // SAFETY: the handle lives as long as `network`; libvirt allocates the list into the local.
    let count =
        checked(unsafe { sys::virNetworkGetDHCPLeases(network.as_ptr(), ptr::null(), &mut found, 0) })?;
    let mut leases = Vec::new();
    for index in 0..count as usize {
        // SAFETY: the list has `count` valid leases, each ours to free, once, after the copy.
        unsafe {
            let lease = *found.add(index);
            leases.push((text_of((*lease).mac), text_of((*lease).ipaddr), (*lease).expirytime));
            sys::virNetworkDHCPLeaseFree(lease);
        }
    }
    // SAFETY: the list itself was allocated for us by libvirt with malloc.
    unsafe { nix::libc::free(found.cast()) };
    Ok(leases)
}

/// State of the control interface and milliseconds since it is in it.
pub fn control(domain: &Domain) -> Result<(u32, u64)> {
    let mut info = sys::virDomainControlInfo { state: 0, details: 0, stateTime: 0 };
    // SAFETY: the handle lives as long as `domain`; libvirt fills the local structure.
    checked(unsafe { sys::virDomainGetControlInfo(domain.as_ptr(), &mut info, 0) })?;
    Ok((info.state, info.stateTime))
}

/// A connection to a graphics console of a running domain, by its place, past its password.
pub fn open_graphics(domain: &Domain, place: u32) -> Result<OwnedFd> {
    let fd = domain.open_graphics_fd(place, sys::VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH)?;
    // SAFETY: libvirt has just made the descriptor for us, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as c_int) })
}

/// The error codes of the disks that have one.
pub fn disk_errors(domain: &Domain) -> Result<Vec<u32>> {
    // SAFETY: without an array libvirt only counts the domain's disks.
    let disks = checked(unsafe { sys::virDomainGetDiskErrors(domain.as_ptr(), ptr::null_mut(), 0, 0) })?;
    let mut errors = vec![sys::virDomainDiskError { disk: ptr::null_mut(), error: 0 }; disks as usize];
    // SAFETY: the array has as many elements as libvirt is told.
    let found = checked(unsafe {
        sys::virDomainGetDiskErrors(domain.as_ptr(), errors.as_mut_ptr(), errors.len() as c_uint, 0)
    })?;
    Ok(errors
        .iter()
        .take(found as usize)
        .map(|error| {
            // SAFETY: libvirt allocated the name with malloc and left it to the caller.
            unsafe { nix::libc::free(error.disk.cast()) };
            error.error as u32
        })
        .collect())
}

pub fn detach_by_alias(domain: &Domain, alias: &str, flags: u32) -> Result<()> {
    let alias = CString::new(alias)?;
    // SAFETY: handle and string outlive the call, and libvirt keeps neither.
    checked(unsafe { sys::virDomainDetachDeviceAlias(domain.as_ptr(), alias.as_ptr(), flags) })?;
    Ok(())
}

/// Begins to write what `top` holds into `base`, both of the disk's chain.
pub fn block_commit(domain: &Domain, disk: &str, base: &str, top: &str, flags: u32) -> Result<()> {
    let (disk, base, top) = (CString::new(disk)?, CString::new(base)?, CString::new(top)?);
    // SAFETY: handle and strings outlive the call, and libvirt keeps none of them.
    checked(unsafe {
        sys::virDomainBlockCommit(domain.as_ptr(), disk.as_ptr(), base.as_ptr(), top.as_ptr(), 0, flags)
    })?;
    Ok(())
}

/// The document of the domain whose memory the file holds.
pub fn saved_document(connect: &Connect, file: &str) -> Result<String> {
    let file = CString::new(file)?;
    // SAFETY: handle and string outlive the call; the text is the caller's, who frees it.
    unsafe {
        let text = sys::virDomainSaveImageGetXMLDesc(connect.as_ptr(), file.as_ptr(), 0);
        if text.is_null() {
            return Err(Error::last_error());
        }
        let document = text_of(text);
        nix::libc::free(text.cast());
        Ok(document)
    }
}

/// Brings a domain back from the memory in the file, with this document instead of the file's.
pub fn restore(connect: &Connect, file: &str, document: &str, flags: u32) -> Result<()> {
    let (file, document) = (CString::new(file)?, CString::new(document)?);
    // SAFETY: handle and strings outlive the call, and libvirt keeps none of them.
    checked(unsafe {
        sys::virDomainRestoreFlags(connect.as_ptr(), file.as_ptr(), document.as_ptr(), flags)
    })?;
    Ok(())
}

pub fn block_copy(domain: &Domain, disk: &str, document: &str, flags: u32) -> Result<()> {
    let (disk, document) = (CString::new(disk)?, CString::new(document)?);
    // SAFETY: handle and strings outlive the call, libvirt keeps none of them; no parameters are given.
    checked(unsafe {
        sys::virDomainBlockCopy(domain.as_ptr(), disk.as_ptr(), document.as_ptr(), ptr::null_mut(), 0, flags)
    })?;
    Ok(())
}

/// Sets limits of a disk, by their names.
pub fn tune_block(domain: &Domain, disk: &str, limits: &[(&str, u64)], flags: u32) -> Result<()> {
    let disk = CString::new(disk)?;
    let mut parameters = ptr::null_mut();
    let (mut count, mut room) = (0, 0);
    for (name, limit) in limits {
        let name = CString::new(*name)?;
        // SAFETY: libvirt lets the list, which is its own, grow in the locals; it copies the name.
        checked(unsafe {
            sys::virTypedParamsAddULLong(&mut parameters, &mut count, &mut room, name.as_ptr(), *limit)
        })?;
    }
    // SAFETY: handle, name and list live until the call is over; the list is freed once, after it.
    unsafe {
        let set =
            checked(sys::virDomainSetBlockIoTune(domain.as_ptr(), disk.as_ptr(), parameters, count, flags));
        sys::virTypedParamsFree(parameters, count);
        set.map(drop)
    }
}

/// How far the disk's job is, when it has one: what is done, and of how much.
pub fn block_job(domain: &Domain, disk: &str) -> Result<Option<(u64, u64)>> {
    let disk = CString::new(disk)?;
    let mut info = sys::virDomainBlockJobInfo { type_: 0, bandwidth: 0, cur: 0, end: 0 };
    // SAFETY: handle and string outlive the call; libvirt fills the local structure.
    let found =
        checked(unsafe { sys::virDomainGetBlockJobInfo(domain.as_ptr(), disk.as_ptr(), &mut info, 0) })?;
    Ok((found > 0).then_some((info.cur, info.end)))
}

/// Ends the disk's job; with the flag to pivot, by going on in the image that it has written.
pub fn block_job_abort(domain: &Domain, disk: &str, flags: u32) -> Result<()> {
    let disk = CString::new(disk)?;
    // SAFETY: handle and string outlive the call, and libvirt keeps neither.
    checked(unsafe { sys::virDomainBlockJobAbort(domain.as_ptr(), disk.as_ptr(), flags) })?;
    Ok(())
}

/// Ends the job on the domain as a whole.
pub fn abort_job(domain: &Domain) -> Result<()> {
    // SAFETY: the handle lives as long as `domain`.
    checked(unsafe { sys::virDomainAbortJob(domain.as_ptr()) })?;
    Ok(())
}

/// Freezes all file systems of the guest; their number.
pub fn freeze(domain: &Domain) -> Result<c_int> {
    // SAFETY: no mount points mean all of them.
    checked(unsafe { sys::virDomainFSFreeze(domain.as_ptr(), ptr::null_mut(), 0, 0) })
}

pub fn thaw(domain: &Domain) -> Result<c_int> {
    // SAFETY: no mount points mean all of them.
    checked(unsafe { sys::virDomainFSThaw(domain.as_ptr(), ptr::null_mut(), 0, 0) })
}

// ---------------------------------------------------------------- bulk statistics

/// One domain of a bulk answer.
pub struct Record {
    pub id: VmId,
    pub name: String,
    pub values: Vec<(String, Value)>,
}

/// The kinds of values that the adapter reads.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Number(u64),
    Negative(i64),
    Text(String),
}

/// Statistics of these domains, all of one connection.
pub fn stats_of(domains: &[Domain], groups: u32, flags: u32) -> Result<Vec<Record>> {
    // libvirt refuses an empty list.
    if domains.is_empty() {
        return Ok(vec![]);
    }
    let mut records = ptr::null_mut();
    // SAFETY: the handles live as long as `domains`, and the array ends in NULL as libvirt wants it.
    let count = checked(unsafe {
        let mut handles: Vec<_> = domains.iter().map(|domain| domain.as_ptr()).collect();
        handles.push(ptr::null_mut());
        sys::virDomainListGetStats(handles.as_mut_ptr(), groups, &mut records, flags)
    })?;
    // SAFETY: the list is libvirt's own, of that many records.
    Ok(unsafe { take_records(records, count) })
}

/// Copies a list of records and frees it.
///
/// # Safety
/// `records` is a list of `count` records that libvirt allocated and nobody freed.
unsafe fn take_records(records: *mut sys::virDomainStatsRecordPtr, count: c_int) -> Vec<Record> {
    let copied = (0..count as usize)
        .map(|at| {
            // SAFETY: `at` is inside the list, each record is valid, and its parameters are an
            // array of `nparams`.
            unsafe {
                let record = &**records.add(at);
                Record {
                    id: VmId(uuid_of(record.dom)),
                    name: text_of(sys::virDomainGetName(record.dom)),
                    values: (0..record.nparams as usize)
                        .filter_map(|at| value_of(&*record.params.add(at)))
                        .collect(),
                }
            }
        })
        .collect();
    // SAFETY: nothing of the list is used any more.
    unsafe { sys::virDomainStatsRecordListFree(records) };
    copied
}

/// # Safety
/// The parameter is one that libvirt filled, so that its type tells the valid part of the union.
unsafe fn value_of(parameter: &sys::virTypedParameter) -> Option<(String, Value)> {
    // SAFETY: the type names the field of the union that holds the value; names end in NUL.
    unsafe {
        let value = match parameter.type_ as c_uint {
            sys::VIR_TYPED_PARAM_INT => match parameter.value.i {
                number @ ..0 => Value::Negative(number.into()),
                number => Value::Number(number as u64),
            },
            sys::VIR_TYPED_PARAM_UINT => Value::Number(parameter.value.ui.into()),
            sys::VIR_TYPED_PARAM_LLONG => Value::Number(u64::try_from(parameter.value.l).ok()?),
            sys::VIR_TYPED_PARAM_ULLONG => Value::Number(parameter.value.ul),
            sys::VIR_TYPED_PARAM_STRING => Value::Text(text_of(parameter.value.s)),
            _ => return None,
        };
        Some((text_of(parameter.field.as_ptr()), value))
    }
}

// ---------------------------------------------------------------- events

/// An event as libvirt tells it.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    Lifecycle {
        event: u32,
        detail: u32,
    },
    Rebooted,
    IoError {
        alias: String,
        action: u32,
        reason: String,
    },
    DeviceAdded(String),
    DeviceRemoved(String),
    RemovalFailed(String),
    Agent {
        state: u32,
    },
    Balloon,
    Graphics {
        phase: u32,
        /// The host's port.
        served: String,
        address: String,
        port: String,
    },
}

/// Is told of events on libvirt's event thread; must not call libvirt.
pub trait Listener: Send + Sync {
    fn seen(&self, id: VmId, what: Seen);
    /// The watched connection is gone.
    fn closed(&self);
}

/// A connection with event callbacks on it; they go when it is dropped.
pub struct Watch {
    connect: Connect,
    callbacks: Vec<c_int>,
}

impl Watch {
    /// Fails when life cycle events cannot be had; other events may be unknown to an old libvirt.
    pub fn new(connect: Connect, listener: &Arc<dyn Listener>) -> Result<Self> {
        let events: [(sys::virDomainEventID, *const ()); 9] = [
            (sys::VIR_DOMAIN_EVENT_ID_LIFECYCLE, on_lifecycle as *const ()),
            (sys::VIR_DOMAIN_EVENT_ID_REBOOT, on_reboot as *const ()),
            (sys::VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON, on_io_error as *const ()),
            (sys::VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, on_device_added as *const ()),
            (sys::VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, on_device_removed as *const ()),
            (sys::VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED, on_removal_failed as *const ()),
            (sys::VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE, on_agent as *const ()),
            (sys::VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE, on_balloon as *const ()),
            (sys::VIR_DOMAIN_EVENT_ID_GRAPHICS, on_graphics as *const ()),
        ];
        let mut watch = Self { connect, callbacks: Vec::new() };
        for (event, callback) in events {
            match watch.register(event, callback, listener) {
                Ok(callback) => watch.callbacks.push(callback),
                Err(why) if event == sys::VIR_DOMAIN_EVENT_ID_LIFECYCLE => return Err(why),
                Err(why) => tracing::warn!("libvirt does not tell of event {event}: {}", why.message()),
            }
        }
        let opaque = lend(listener);
        // SAFETY: `on_close` has the callback's signature; libvirt gives `opaque` to `release` once,
        // unless the registration fails.
        let registered = checked(unsafe {
            sys::virConnectRegisterCloseCallback(
                watch.connect.as_ptr(),
                Some(on_close),
                opaque,
                Some(release),
            )
        });
        if let Err(why) = registered {
            // SAFETY: libvirt took no part in `opaque`.
            unsafe { release(opaque) };
            tracing::debug!("libvirt does not tell of closed connections: {}", why.message());
        }
        Ok(watch)
    }

    /// Known without a call to libvirtd.
    pub fn is_alive(&self) -> bool {
        self.connect.is_alive().unwrap_or(false)
    }

    fn register(
        &self,
        event: sys::virDomainEventID,
        callback: *const (),
        listener: &Arc<dyn Listener>,
    ) -> Result<c_int> {
        let opaque = lend(listener);
        // SAFETY: libvirt calls the callback with the signature that belongs to `event`, which is
        // the one that `callback` has; it gives `opaque` to `release` once, unless it fails here.
        let registered = checked(unsafe {
            sys::virConnectDomainEventRegisterAny(
                self.connect.as_ptr(),
                ptr::null_mut(),
                event as c_int,
                std::mem::transmute::<*const (), sys::virConnectDomainEventGenericCallback>(callback),
                opaque,
                Some(release),
            )
        });
        if registered.is_err() {
            // SAFETY: libvirt took no part in `opaque`.
            unsafe { release(opaque) };
        }
        registered
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Each callback holds a reference to the connection: unless they go, it never closes.
        for callback in &self.callbacks {
            // SAFETY: the id is one that this connection gave.
            unsafe { sys::virConnectDomainEventDeregisterAny(self.connect.as_ptr(), *callback) };
        }
        // SAFETY: the function is the one that was registered; libvirt refuses if it was not.
        unsafe { sys::virConnectUnregisterCloseCallback(self.connect.as_ptr(), Some(on_close)) };
    }
}

/// A share of the listener for libvirt to hold; `release` takes it back.
fn lend(listener: &Arc<dyn Listener>) -> *mut c_void {
    Box::into_raw(Box::new(Arc::clone(listener))).cast()
}

unsafe extern "C" fn release(opaque: *mut c_void) {
    // SAFETY: `opaque` is what `lend` gave, and libvirt frees it once.
    drop(unsafe { Box::from_raw(opaque.cast::<Arc<dyn Listener>>()) });
}

/// # Safety
/// `domain` is a valid handle and `opaque` is what `lend` gave and `release` did not take.
unsafe fn tell(domain: sys::virDomainPtr, opaque: *mut c_void, what: Seen) {
    // SAFETY: the caller's promise.
    unsafe { (*opaque.cast::<Arc<dyn Listener>>()).seen(VmId(uuid_of(domain)), what) };
}

unsafe extern "C" fn on_close(_: sys::virConnectPtr, _reason: c_int, opaque: *mut c_void) {
    // SAFETY: libvirt hands out what `lend` gave.
    unsafe { (*opaque.cast::<Arc<dyn Listener>>()).closed() };
}

unsafe extern "C" fn on_lifecycle(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    event: c_int,
    detail: c_int,
    opaque: *mut c_void,
) -> c_int {
    // SAFETY: libvirt lends the handle for the call and hands out what `lend` gave.
    unsafe { tell(domain, opaque, Seen::Lifecycle { event: event as u32, detail: detail as u32 }) };
    0
}

unsafe extern "C" fn on_reboot(_: sys::virConnectPtr, domain: sys::virDomainPtr, opaque: *mut c_void) {
    // SAFETY: as in `on_lifecycle`.
    unsafe { tell(domain, opaque, Seen::Rebooted) };
}

unsafe extern "C" fn on_io_error(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    _path: *const c_char,
    alias: *const c_char,
    action: c_int,
    reason: *const c_char,
    opaque: *mut c_void,
) {
    // SAFETY: as in `on_lifecycle`; the texts are lent for the call.
    unsafe {
        let what = Seen::IoError { alias: text_of(alias), action: action as u32, reason: text_of(reason) };
        tell(domain, opaque, what);
    }
}

unsafe extern "C" fn on_device_added(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    alias: *const c_char,
    opaque: *mut c_void,
) {
    // SAFETY: as in `on_io_error`.
    unsafe { tell(domain, opaque, Seen::DeviceAdded(text_of(alias))) };
}

unsafe extern "C" fn on_device_removed(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    alias: *const c_char,
    opaque: *mut c_void,
) {
    // SAFETY: as in `on_io_error`.
    unsafe { tell(domain, opaque, Seen::DeviceRemoved(text_of(alias))) };
}

unsafe extern "C" fn on_removal_failed(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    alias: *const c_char,
    opaque: *mut c_void,
) {
    // SAFETY: as in `on_io_error`.
    unsafe { tell(domain, opaque, Seen::RemovalFailed(text_of(alias))) };
}

unsafe extern "C" fn on_agent(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    state: c_int,
    _reason: c_int,
    opaque: *mut c_void,
) {
    // SAFETY: as in `on_lifecycle`.
    unsafe { tell(domain, opaque, Seen::Agent { state: state as u32 }) };
}

unsafe extern "C" fn on_balloon(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    _actual: u64,
    opaque: *mut c_void,
) {
    // SAFETY: as in `on_lifecycle`.
    unsafe { tell(domain, opaque, Seen::Balloon) };
}

unsafe extern "C" fn on_graphics(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    phase: c_int,
    local: *const sys::virDomainEventGraphicsAddress,
    remote: *const sys::virDomainEventGraphicsAddress,
    _scheme: *const c_char,
    _subject: *const sys::virDomainEventGraphicsSubject,
    opaque: *mut c_void,
) {
    // SAFETY: as in `on_io_error`; the two addresses are lent for the call, with their texts.
    unsafe {
        let what = Seen::Graphics {
            phase: phase as u32,
            served: text_of((*local).service),
            address: text_of((*remote).node),
            port: text_of((*remote).service),
        };
        tell(domain, opaque, what);
    }
}

// ---------------------------------------------------------------- /dev/kvm

// linux/kvm.h
const KVM_CREATE_VM: u64 = 0xae01;
const KVM_GET_VCPU_MMAP_SIZE: u64 = 0xae04;
const KVM_CREATE_VCPU: u64 = 0xae41;
const KVM_RUN: u64 = 0xae80;
const KVM_SET_USER_MEMORY_REGION: u64 = 0x4020_ae46;
const KVM_SET_REGS: u64 = 0x4090_ae82;
const KVM_GET_SREGS: u64 = 0x8138_ae83;
const KVM_SET_SREGS: u64 = 0x4138_ae84;
const KVM_EXIT_HLT: u32 = 5;

const PAGE: usize = 4096;

#[repr(C)]
struct MemoryRegion {
    slot: u32,
    flags: u32,
    guest_address: u64,
    size: u64,
    host_address: u64,
}

/// Memory that the kernel and a guest share.
struct Mapping {
    at: *mut c_void,
    size: usize,
}

impl Mapping {
    fn new(size: usize, flags: c_int, fd: c_int) -> io::Result<Self> {
        use nix::libc::{MAP_FAILED, PROT_READ, PROT_WRITE, mmap};
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let at = unsafe { mmap(ptr::null_mut(), size, PROT_READ | PROT_WRITE, flags, fd, 0) };
        if at == MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(Self { at, size }) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nothing borrows from it.
        unsafe { nix::libc::munmap(self.at, self.size) };
    }
}

/// # Safety
/// `argument` is what `request` asks for: a number, or the address of a structure of its size.
unsafe fn ioctl(fd: &impl AsRawFd, request: u64, argument: u64) -> io::Result<c_int> {
    // SAFETY: the caller's promise.
    let code = unsafe { nix::libc::ioctl(fd.as_raw_fd(), request as _, argument) };
    if code < 0 { Err(io::Error::last_os_error()) } else { Ok(code) }
}

/// How long a virtual CPU takes for 65535 turns of an empty loop: well under a millisecond on
/// hardware, tens of milliseconds where something emulates it.
pub fn kvm_loop_time() -> io::Result<Duration> {
    use nix::libc::{MAP_ANONYMOUS, MAP_PRIVATE, MAP_SHARED};
    // mov cx, 0xffff; again: loop again; hlt
    const CODE: [u8; 6] = [0xb9, 0xff, 0xff, 0xe2, 0xfe, 0xf4];

    let kvm = OpenOptions::new().read(true).write(true).open("/dev/kvm")?;
    let memory = Mapping::new(PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1)?;
    // SAFETY: the mapping is a page, the code fits, and no guest runs yet.
    unsafe { ptr::copy_nonoverlapping(CODE.as_ptr(), memory.at.cast(), CODE.len()) };
    let region = MemoryRegion {
        slot: 0,
        flags: 0,
        guest_address: 0,
        size: PAGE as u64,
        host_address: memory.at as u64,
    };
    // SAFETY: requests and arguments are those of linux/kvm.h: numbers, or structures whose size is
    // part of the request's number. `memory` is declared before the VM and so outlives it.
    unsafe {
        let vm = OwnedFd::from_raw_fd(ioctl(&kvm, KVM_CREATE_VM, 0)?);
        ioctl(&vm, KVM_SET_USER_MEMORY_REGION, &raw const region as u64)?;
        let cpu = OwnedFd::from_raw_fd(ioctl(&vm, KVM_CREATE_VCPU, 0)?);
        let size = ioctl(&kvm, KVM_GET_VCPU_MMAP_SIZE, 0)? as usize;
        let run = Mapping::new(size, MAP_SHARED, cpu.as_raw_fd())?;

        // kvm_sregs begins with the code segment: base (u64), limit (u32), selector (u16), ...
        let mut segments = [0u64; 312 / 8];
        ioctl(&cpu, KVM_GET_SREGS, segments.as_mut_ptr() as u64)?;
        segments[0] = 0;
        segments[1] &= !(0xffff << 32);
        ioctl(&cpu, KVM_SET_SREGS, segments.as_ptr() as u64)?;
        // kvm_regs ends with rip and rflags, whose bit 1 is always set.
        let mut registers = [0u64; 144 / 8];
        registers[17] = 2;
        ioctl(&cpu, KVM_SET_REGS, registers.as_ptr() as u64)?;

        let begun = Instant::now();
        loop {
            match ioctl(&cpu, KVM_RUN, 0) {
                Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            break;
        }
        let taken = begun.elapsed();
        // kvm_run: two bytes, six of padding, exit_reason (u32).
        match run.at.cast::<u32>().add(2).read_volatile() {
            KVM_EXIT_HLT => Ok(taken),
            other => Err(io::Error::other(format!("the virtual CPU left with reason {other}"))),
        }
    }
}
