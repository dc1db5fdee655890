# SPDX-License-Identifier: Apache-2.0
# Sourced: RPM_MACROS stands in for the macros of Fedora's systemd, meson and SELinux packages, which
# Debian's rpm does not have.
RPM_MACROS=(
    --define '_unitdir /usr/lib/systemd/system'
    --define '_sysusersdir /usr/lib/sysusers.d'
    --define '_docdir /usr/share/doc'
    --define '_sharedstatedir /var/lib'
    --define 'meson meson setup --buildtype=plain --prefix=/usr --libdir=%{_libdir} --sysconfdir=/etc --localstatedir=/var -Dsystemd_unit_dir=%{_unitdir} -Dsysusers_dir=%{_sysusersdir} redhat-build'
    --define 'meson_build ninja -C redhat-build'
    --define 'meson_install DESTDIR=%{buildroot} meson install -C redhat-build --no-rebuild'
    --define 'meson_test meson test -C redhat-build'
    --define 'sysusers_create_compat() true %{*}'
    --define 'systemd_post() true %{*}'
    --define 'systemd_preun() true %{*}'
    --define 'systemd_postun_with_restart() true %{*}'
    --define 'selinux_relabel_pre(s:) true'
    --define 'selinux_relabel_post(s:) true'
    --define 'selinux_modules_install(s:) true %{*}'
    --define 'selinux_modules_uninstall(s:) true %{*}'
)
