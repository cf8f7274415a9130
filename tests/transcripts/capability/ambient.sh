# title: Ambient capabilities and keepcaps
# concepts: setpriv, ambient, inheritable, securebits, no_new_privs
setpriv --reuid 1000 --clear-groups grep Cap /proc/self/status
setpriv --reuid 1000 --clear-groups --inh-caps +net_raw --ambient-caps +net_raw grep Cap /proc/self/status
setpriv --reuid 1000 --clear-groups --inh-caps +net_raw --ambient-caps +net_raw sh -c 'ping -c 1 127.0.0.1 | head -2 | tail -1'
setpriv --ambient-caps +net_raw true
setpriv --inh-caps +nosuch true
setpriv --bounding-set -all grep Cap /proc/self/status
setpriv --bounding-set -sys_admin sh -c 'unshare -u true'
setpriv --no-new-privs grep NoNewPrivs /proc/self/status
setpriv --no-new-privs su student -c id
su student -c 'setpriv --no-new-privs su root -c id'
setpriv --securebits +noroot grep Cap /proc/self/status
setpriv --securebits +noroot,+noroot_locked setpriv --dump | grep -i secure
setpriv --reuid student --regid student --init-groups id
setpriv --reuid 1000 --regid 1000 id
setpriv --ruid 1000 id
setpriv --euid 1000 id
setpriv --reuid 99 --regid 99 --groups 5,6 id
setpriv --reuid nosuch id
setpriv --clear-groups --keep-groups id
setpriv --pdeathsig KILL true; echo $?
setpriv --nosuch
capsh --decode=00000000a80425fb
capsh --has-p=cap_chown; echo $?
capsh --supports=cap_nosuch
capsh --uid=1000 -- -c 'id -u; grep CapEff /proc/self/status'
capsh --secbits=1 --print | grep -A3 Securebits
capsh --chroot=/tmp -- -c true
