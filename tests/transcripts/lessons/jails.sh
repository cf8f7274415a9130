# What has no number here does not exist: ESRCH.
unshare --pid --fork --mount-proc sh -c "kill -0 $$"
unshare --pid --fork --uts sh -c 'hostname jail; exec capsh --drop=cap_sys_admin -- -c "hostname; hostname other"'
