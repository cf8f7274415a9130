# title: Files, links and modes
# concepts: stat, chmod, ln, umask, sticky, set-group-ID directories
cd /tmp; umask
touch a; stat -c '%A %a %s %h %U:%G %F' a
chmod u+s,g+s a; stat -c %A a; chmod o+t a; stat -c %A a; chmod =r a; stat -c %A a
chmod 4711 a && ls -l a | cut -c1-10
chmod 888 a
chmod zz a
chmod +x,-r a; stat -c %A a
ln a b; stat -c %h a; ln -s a c; readlink c; ls -l c | cut -c1-10; stat -c %F c; stat -L -c %F c
ln -s nowhere d; cat d; ls d; test -e d; echo $?; test -L d; echo $?
ln -s loop1 loop2; ln -s loop2 loop1; cat loop1
ln a b; ln -f a b && echo replaced; ln -s a b; ln -sf a b && readlink b
ln /tmp /tmp/hard
mkdir e; chmod 2775 e; chgrp student e; touch e/f; mkdir e/g; stat -c '%G %a' e/f e/g
mkdir -m 700 h; stat -c %a h; su student -c 'ls /tmp/h; touch /tmp/h/x; cd /tmp/h'
su student -c 'touch /tmp/own; mv /tmp/a /tmp/z; rm /tmp/own && echo own removed'
su student -c 'rm -f /tmp/a'
cp a k; cp a e/; cp nosuch x; cp a nowhere/; cp e i; cp -r e i && ls i
mv k l; mv nosuch x; mv l nowhere/x; mv e i/e
rm e; rmdir e; rm -d e; rm nosuch; rm -f nosuch; rm -r e && echo gone
mkdir -p p/q/r && rmdir -p p/q/r; ls p; mkdir i; mkdir nosuch/x
touch -d '2020-01-02 03:04:05' t; stat -c %y t; touch -r t u; stat -c %Y u
truncate -s 100 v; stat -c %s v; truncate -s -50 v; stat -c %s v
dd if=/dev/zero of=w bs=10 count=3 2>&1 | tail -1 | cut -d, -f1
dd if=/dev/zero of=w bs=10 seek=5 count=1 conv=notrunc 2>/dev/null; stat -c %s w
basename /a/b.c .c; dirname /a/b; realpath /tmp/../etc/hostname; readlink -f /bin
realpath nosuch/x; readlink a; readlink nosuch
head -c 5 /etc/passwd; echo; tail -n 1 /etc/passwd; wc -l /etc/passwd; cut -d: -f1 /etc/group | tr '\n' ' '; echo
df --output=fstype,target /tmp /dev/shm; df /nosuch
ls -d */; ls -1 | head -3; ls nosuch; ls -la h | wc -l
