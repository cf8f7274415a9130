# title: Becoming another user
# concepts: setuid, setgid, supplementary groups, setpriv, su
id
su student -c id
su guest -c 'id -un; id -gn; groups'
su nobody -s /bin/sh -c id
su nosuch -c id
su student -c 'su guest -c id'
su student -c 'su -c id'
setpriv --reuid student --regid student --clear-groups id
setpriv --reuid student --regid student --init-groups id
setpriv --reuid 1000 id
setpriv --reuid 1000 --regid 1000 --groups 5,1001 id
setpriv --ruid 1000 id
setpriv --euid 1000 id
setpriv --rgid 5 --clear-groups id
setpriv --reuid nosuch id
setpriv --reuid 1000 --init-groups id
su student -c 'setpriv --reuid 0 id'
su student -c 'setpriv --clear-groups id'
su student -c 'setpriv --reuid 1000 id -u'
setpriv --dump | head -5
setpriv --reuid 1000 --regid 1000 --clear-groups grep -E '^(Uid|Gid|Groups)' /proc/self/status
setpriv --ruid 1000 grep -E '^(Uid|CapEff)' /proc/self/status
setpriv --euid 1000 grep -E '^(Uid|CapEff|CapPrm)' /proc/self/status
su -l student -c 'pwd; umask; echo $PATH'
su student -s /bin/bash -c 'echo $0 $SHELL'
su -p student -c 'echo $HOME $USER'
su student -g tty -c id
su -G tty student -c id
id student; id -u guest; id nosuch; id -G student
