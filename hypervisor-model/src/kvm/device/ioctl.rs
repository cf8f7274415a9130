//! The requests of `/dev/kvm` by number. Source: Linux 6.12 `include/uapi/linux/kvm.h`.

macro_rules! requests {
    ($($constant:ident = $number:literal;)+) => {
        $(#[doc = concat!("`KVM_", stringify!($constant), "`")] pub const $constant: u64 = $number;)+

        /// Every request with its name.
        pub const ALL: &[(&str, u64)] = &[$((concat!("KVM_", stringify!($constant)), $number),)+];
    };
}

requests! {
    GET_API_VERSION = 0xae00;
    CREATE_VM = 0xae01;
    CHECK_EXTENSION = 0xae03;
    GET_VCPU_MMAP_SIZE = 0xae04;
    CREATE_VCPU = 0xae41;
    GET_DIRTY_LOG = 0x4010_ae42;
    SET_USER_MEMORY_REGION = 0x4020_ae46;
    SET_TSS_ADDR = 0xae47;
    SET_IDENTITY_MAP_ADDR = 0x4008_ae48;
    CREATE_IRQCHIP = 0xae60;
    IRQ_LINE = 0x4008_ae61;
    SET_GSI_ROUTING = 0x4008_ae6a;
    IRQFD = 0x4020_ae76;
    IOEVENTFD = 0x4040_ae79;
    RUN = 0xae80;
    GET_REGS = 0x8090_ae81;
    SET_REGS = 0x4090_ae82;
}

/// The version that has not changed since 2.6.22 (`KVM_API_VERSION`).
pub const API_VERSION: i64 = 12;
/// Extensions that are there, by number (`KVM_CAP_*`), with what asking for them gives.
pub const EXTENSIONS: &[(i64, i64)] = &[
    (0, 1),    // KVM_CAP_IRQCHIP
    (1, 1),    // KVM_CAP_HLT
    (3, 1),    // KVM_CAP_USER_MEMORY
    (4, 1),    // KVM_CAP_SET_TSS_ADDR
    (9, 2),    // KVM_CAP_NR_VCPUS
    (10, 509), // KVM_CAP_NR_MEMSLOTS: KVM_USER_MEM_SLOTS
    (16, 1),   // KVM_CAP_SYNC_MMU
    (25, 1),   // KVM_CAP_IRQ_ROUTING
    (32, 1),   // KVM_CAP_IRQFD
    (36, 1),   // KVM_CAP_IOEVENTFD
    (66, 1),   // KVM_CAP_MAX_VCPUS: this model's guests have one
    (81, 1),   // KVM_CAP_READONLY_MEM
];
/// `KVM_USER_MEM_SLOTS` on x86.
pub const USER_MEM_SLOTS: u32 = 509;
/// What mmap(2) of a virtual processor takes: `kvm_run`, a page for port I/O, and the ring of coalesced MMIO.
pub const VCPU_MMAP_SIZE: i64 = 3 * 4096;
/// Flags of `KVM_IOEVENTFD`.
pub const IOEVENTFD_FLAG_DATAMATCH: u64 = 1;
/// See [`IOEVENTFD_FLAG_DATAMATCH`].
pub const IOEVENTFD_FLAG_PIO: u64 = 2;
/// See [`IOEVENTFD_FLAG_DATAMATCH`].
pub const IOEVENTFD_FLAG_DEASSIGN: u64 = 4;
/// Flag of `KVM_IRQFD`.
pub const IRQFD_FLAG_DEASSIGN: u64 = 1;
