#!/bin/sh
# Makes of a Debian with Python what an image starts from: the user `taxi` and its folder, and no program that installs or
# compiles packages. dpkg's list of packages stays, for programs that look for vulnerabilities.
set -eu

useradd --uid 10001 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin taxi
install --directory --owner taxi --group taxi --mode 700 /runs

python=$(command -v python3)
"$python" -m pip uninstall --yes --quiet --root-user-action ignore pip setuptools wheel 2>/dev/null || true
"$python" - <<'END'
import shutil, sysconfig
from pathlib import Path

library = Path(sysconfig.get_path("stdlib"))
for name in ("ensurepip", "idlelib", "lib2to3", "test", "tkinter", "turtledemo", "pydoc_data"):
    shutil.rmtree(library / name, ignore_errors=True)
END

rm -rf /etc/apt /var/lib/apt /var/cache/apt /usr/lib/apt /usr/share/apt /usr/bin/apt* /usr/lib/*/libapt-*
rm -rf /usr/bin/dpkg* /usr/sbin/dpkg* /usr/share/dpkg /usr/lib/dpkg /usr/sbin/start-stop-daemon
rm -rf /usr/bin/debconf* /usr/sbin/dpkg-* /usr/share/debconf /var/cache/debconf
rm -rf /usr/bin/perl* /usr/lib/*/perl* /usr/share/perl*
rm -rf /usr/bin/*gcc* /usr/bin/cc /usr/bin/c++ /usr/bin/*g++* /usr/bin/*-as /usr/bin/as /usr/bin/*-ld /usr/bin/ld /usr/bin/ld.* /usr/lib/gcc*
awk 'BEGIN { RS = ""; ORS = "\n\n" } !/^Package: (apt|libapt-pkg[0-9.]*|dpkg|debconf|perl-base|gcc[0-9.-]*|g\+\+[0-9.-]*|binutils.*)\n/' \
    /var/lib/dpkg/status > /var/lib/dpkg/kept
mv /var/lib/dpkg/kept /var/lib/dpkg/status
rm -rf /var/lib/dpkg/info /var/lib/dpkg/triggers /var/lib/dpkg/alternatives /var/lib/dpkg/*-old

# Set-user-ID programs are of no use where no new privileges can be had.
find / -xdev -type f \( -perm -4000 -o -perm -2000 \) -exec chmod ug-s {} +
rm -rf /usr/lib/*/gconv /usr/share/doc /usr/share/man /usr/share/locale /usr/share/info /usr/share/lintian /usr/share/bug
rm -rf /var/log/* /var/tmp/* /usr/local/share/man
