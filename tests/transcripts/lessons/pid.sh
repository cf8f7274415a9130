# unshare(2) does not move the caller; its child is process 1.
unshare --pid sh -c 'test $$ -gt 1 && echo not moved; sh -c "echo my child is \$\$"; true'
unshare --pid --fork sh -c 'echo $$; sleep 500 & sleep 0.2; grep NSpid /proc/$(pgrep -x sleep | head -1)/status | wc -w'
unshare --pid sh -c '/bin/true; /bin/true; echo still here'
