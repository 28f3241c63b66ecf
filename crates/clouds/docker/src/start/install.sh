sshd=$(command -v sshd || echo /usr/sbin/sshd)
exec "$sshd" -D -e
