//! System calls that a worker has no use for fail.
//!
//! A list of what is denied, not of what is allowed: what std and the C library call differs between their versions
//! and between processors, and a worker that dies of a harmless new call after an update of the system protects
//! nobody. Landlock is the wall; this takes away what Landlock does not see.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    sock_filter,
};

use super::PrivilegeError;

const FAILED: PrivilegeError = PrivilegeError::Refused { step: "seccomp", errno: 0 };

/// Calls that fail whatever their arguments are.
const DENIED: &[libc::c_long] = &[
    // connections, of any kind
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    // other programs
    libc::SYS_execve,
    libc::SYS_execveat,
    // other processes
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_kill,
    libc::SYS_kcmp,
    // other users
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
    libc::SYS_capset,
    // other file systems and name spaces
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    // the kernel itself, and its doors that have been found open most often
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_personality,
    libc::SYS_fanotify_init,
    // a ring makes system calls that no filter sees
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

/// Calls that only older processors' tables have.
#[cfg(target_arch = "x86_64")]
const DENIED_HERE: &[libc::c_long] =
    &[libc::SYS_fork, libc::SYS_vfork, libc::SYS_iopl, libc::SYS_ioperm, libc::SYS_modify_ldt];
#[cfg(not(target_arch = "x86_64"))]
const DENIED_HERE: &[libc::c_long] = &[];

/// Whether it is in force; not where the kernel has no filters, or the processor is not one of those that are known.
pub(super) fn apply() -> Result<bool, PrivilegeError> {
    let Some(programs) = programs()? else { return Ok(false) };
    for program in programs {
        match seccompiler::apply_filter(&program) {
            Ok(()) => {}
            Err(seccompiler::Error::Seccomp(error))
                if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS)) =>
            {
                return Ok(false);
            }
            Err(_) => return Err(FAILED),
        }
    }
    Ok(true)
}

/// Nothing on a processor that seccompiler does not know.
fn programs() -> Result<Option<Vec<BpfProgram>>, PrivilegeError> {
    let Ok(arch) = std::env::consts::ARCH.try_into() else { return Ok(None) };
    let mut denied: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for call in DENIED.iter().chain(DENIED_HERE) {
        denied.insert(number(*call), Vec::new());
    }
    // a new thread is one thing, a new process another
    let thread = u64::from(libc::CLONE_THREAD.cast_unsigned());
    let no_thread = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(thread), 0)
        .and_then(|condition| SeccompRule::new(vec![condition]))
        .map_err(|_| FAILED)?;
    denied.insert(number(libc::SYS_clone), vec![no_thread]);
    // what it asks is behind a pointer, where no filter sees it: without it the C library falls back to clone
    let unknown = BTreeMap::from([(number(libc::SYS_clone3), Vec::new())]);
    let compiled = [(denied, libc::EPERM), (unknown, libc::ENOSYS)].into_iter().map(|(rules, errno)| {
        let action = SeccompAction::Errno(errno.cast_unsigned());
        SeccompFilter::new(rules, SeccompAction::Allow, action, arch)?.try_into()
    });
    let mut programs: Vec<BpfProgram> = compiled.collect::<Result<_, _>>().map_err(|_| FAILED)?;
    programs.extend(no_other_table());
    Ok(Some(programs))
}

/// On x86-64 every call has a second number, with this bit, that the filters above would not know again.
#[cfg(target_arch = "x86_64")]
fn no_other_table() -> Option<BpfProgram> {
    const X32: u32 = 0x4000_0000;
    let (load, is_at_least, answer) = (0x20, 0x35, 0x06);
    let errno = 0x0005_0000 | libc::ENOSYS.cast_unsigned();
    Some(vec![
        // the call's number is the first member of what a filter is given
        sock_filter { code: load, jt: 0, jf: 0, k: 0 },
        sock_filter { code: is_at_least, jt: 0, jf: 1, k: X32 },
        sock_filter { code: answer, jt: 0, jf: 0, k: errno },
        sock_filter { code: answer, jt: 0, jf: 0, k: 0x7fff_0000 },
    ])
}

#[cfg(not(target_arch = "x86_64"))]
fn no_other_table() -> Option<BpfProgram> {
    None
}

#[allow(clippy::useless_conversion, reason = "the width differs between processors")]
fn number(call: libc::c_long) -> i64 {
    i64::from(call)
}
