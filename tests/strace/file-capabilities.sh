# title: capabilities of files
TRACE sh -c 'cp /usr/bin/hostname /tmp/h; setcap cap_sys_admin+ep /tmp/h; getcap /tmp/h; unshare -u su student -c "/tmp/h new"; setcap -r /tmp/h; capsh --drop=cap_kill --print | head -1; capsh --drop=cap_chown -- -c "chown 5 /tmp/h"; getpcaps 1; capsh --uid=1000 -- -c id'
