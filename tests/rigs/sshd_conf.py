"""What makes each server of the rig the one it is."""

from __future__ import annotations

_SFTP = "Subsystem sftp internal-sftp"
TEMPERS = {
    "plain": (_SFTP, "MaxSessions 50"),
    "nosftp": (),
    "limits": (_SFTP, "MaxSessions 2"),
    "startups": (_SFTP, "MaxStartups 1:100:1", "LoginGraceTime 3"),
    "banner": (_SFTP, "Banner {folder}/banner.txt"),
    "refusing": ("AuthorizedKeysFile none",),
    "noforward": (_SFTP, "AllowTcpForwarding no", "AllowStreamLocalForwarding no", "PermitTTY no"),
    "forced": ("ForceCommand echo RIG-FORCED: $SSH_ORIGINAL_COMMAND",),
    "password": (_SFTP, "PasswordAuthentication yes", "PubkeyAuthentication no"),
    "keyotp": (
        _SFTP,
        "UsePAM yes",
        "KbdInteractiveAuthentication yes",
        "AuthenticationMethods publickey,keyboard-interactive",
    ),
}
COMMON = """\
ListenAddress {loopback}
Port {port}
HostKey {folder}/hostkey
PidFile none
AuthorizedKeysFile {folder}/keys/%u
StrictModes no
UseDNS no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
PrintMotd no
X11Forwarding no
LogLevel VERBOSE
"""
CLIENT = """\
Host *
  HostName {loopback}
  IdentityFile {folder}/id
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile {folder}/known_hosts
  GlobalKnownHostsFile none
  StrictHostKeyChecking yes
"""
