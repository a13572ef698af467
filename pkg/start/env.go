package start

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/kubeovn/kube-ovn/pkg/util"
)

// Getenv looks up one environment variable; os.Getenv in the programs.
type Getenv func(string) string

// env reads variables and collects what is wrong with them.
type env struct {
	get  Getenv
	errs []error
}

func (e *env) text(name, def string) string {
	if v := strings.TrimSpace(e.get(name)); v != "" {
		return v
	}
	return def
}

func (e *env) flag(name string, def bool) bool {
	v := e.text(name, strconv.FormatBool(def))
	b, err := strconv.ParseBool(v)
	if err != nil {
		e.errs = append(e.errs, fmt.Errorf("%s=%q is neither true nor false", name, v))
	}
	return b
}

func (e *env) number(name string, def int) int {
	v := e.text(name, strconv.Itoa(def))
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		e.errs = append(e.errs, fmt.Errorf("%s=%q is not a number", name, v))
	}
	return n
}

func (e *env) seconds(name string, def int) time.Duration {
	return time.Duration(e.number(name, def)) * time.Second
}

func (e *env) oneOf(name, def string, allowed ...string) string {
	v := e.text(name, def)
	for _, a := range allowed {
		if v == a {
			return v
		}
	}
	e.errs = append(e.errs, fmt.Errorf("%s=%q is not one of %s", name, v, strings.Join(allowed, ", ")))
	return v
}

// addrs reads a comma separated list of addresses.
func (e *env) addrs(name string) []netip.Addr {
	var out []netip.Addr
	for _, s := range strings.Split(e.get(name), ",") {
		if s = strings.Trim(strings.TrimSpace(s), "[]"); s == "" {
			continue
		}
		a, err := netip.ParseAddr(s)
		if err != nil {
			e.errs = append(e.errs, fmt.Errorf("%s has %q, which is not an address", name, s))
			continue
		}
		out = append(out, a.Unmap())
	}
	return out
}

func (e *env) err() error { return errors.Join(e.errs...) }

// layout is where OVS and OVN keep their files. The names are those of the tools' own environment variables, so that
// children agree with us.
type layout struct {
	OVSRun, OVSLog, OVSDB, OVSShare string
	OVNRun, OVNLog, OVNDB, OVNShare string
}

func (e *env) layout() layout {
	return layout{
		OVSRun:   e.text("OVS_RUNDIR", "/run/openvswitch"),
		OVSLog:   e.text("OVS_LOGDIR", "/var/log/openvswitch"),
		OVSDB:    e.text("OVS_DBDIR", "/etc/openvswitch"),
		OVSShare: e.text("OVS_PKGDATADIR", "/usr/share/openvswitch"),
		OVNRun:   e.text("OVN_RUNDIR", "/run/ovn"),
		OVNLog:   e.text("OVN_LOGDIR", "/var/log/ovn"),
		OVNDB:    e.text("OVN_DBDIR", "/etc/ovn"),
		OVNShare: e.text("OVN_PKGDATADIR", "/usr/share/ovn"),
	}
}

// environ is the layout as variables for a child.
func (l layout) environ() []string {
	return []string{
		"OVS_RUNDIR=" + l.OVSRun, "OVS_LOGDIR=" + l.OVSLog, "OVS_DBDIR=" + l.OVSDB,
		"OVN_RUNDIR=" + l.OVNRun, "OVN_LOGDIR=" + l.OVNLog, "OVN_DBDIR=" + l.OVNDB,
	}
}

func (l layout) ovsSocket() string    { return filepath.Join(l.OVSRun, "db.sock") }
func (l layout) systemIDFile() string { return filepath.Join(l.OVSDB, "system-id.conf") }

// TLS of the OVN databases and their clients (node.md 9.6).
type TLS struct {
	Enabled       bool
	Key, Cert, CA string
	Protocols     string // OpenSSL names, "TLSv1.2,TLSv1.3"; empty: the tools' default
	Ciphers       string // OpenSSL cipher list; empty: the tools' default
}

func (e *env) tls() TLS {
	dir := e.text("OVN_TLS_DIR", util.TLSDir)
	t := TLS{
		Enabled: e.flag("ENABLE_SSL", false),
		Key:     filepath.Join(dir, util.TLSKeyFile),
		Cert:    filepath.Join(dir, util.TLSCertFile),
		CA:      filepath.Join(dir, util.TLSCACertFile),
		Ciphers: strings.ReplaceAll(e.text("TLS_CIPHER_SUITES", ""), ",", ":"),
	}
	var err error
	t.Protocols, err = tlsProtocols(e.text("TLS_MIN_VERSION", ""), e.text("TLS_MAX_VERSION", ""))
	if err != nil {
		e.errs = append(e.errs, err)
	}
	return t
}

// tlsProtocols turns a range of versions (TLS10..TLS13, api.md 5.1) into the list that --ssl-protocols wants.
func tlsProtocols(min, max string) (string, error) {
	if min == "" && max == "" {
		return "", nil
	}
	versions := []string{"TLS10", "TLS11", "TLS12", "TLS13"}
	names := []string{"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"}
	find := func(v string, def int) int {
		for i := range versions {
			if v == versions[i] {
				return i
			}
		}
		if v == "" {
			return def
		}
		return -1
	}
	lo, hi := find(min, 0), find(max, len(versions)-1)
	if lo < 0 || hi < lo {
		return "", fmt.Errorf("TLS_MIN_VERSION=%q TLS_MAX_VERSION=%q is no range of %s", min, max, strings.Join(versions, ", "))
	}
	return strings.Join(names[lo:hi+1], ","), nil
}

// args are the options every OVS and OVN program takes for TLS; none without TLS.
func (t TLS) args() []string {
	if !t.Enabled {
		return nil
	}
	out := []string{"--private-key=" + t.Key, "--certificate=" + t.Cert, "--ca-cert=" + t.CA}
	if t.Protocols != "" {
		out = append(out, "--ssl-protocols="+t.Protocols)
	}
	if t.Ciphers != "" {
		out = append(out, "--ssl-ciphers="+t.Ciphers)
	}
	return out
}

func (t TLS) scheme() string {
	if t.Enabled {
		return "ssl"
	}
	return "tcp"
}

// remotes are the OVSDB methods of one database on several hosts: "ssl:[10.0.0.1]:6641,ssl:[fd00::1]:6641".
func (t TLS) remotes(addrs []netip.Addr, port int) string {
	out := make([]string, len(addrs))
	for i, a := range addrs {
		out[i] = t.remote(a, port)
	}
	return strings.Join(out, ",")
}

func (t TLS) remote(a netip.Addr, port int) string {
	return t.scheme() + ":" + hostPort(a, port)
}

// listener is the passive OVSDB method; the zero address means every address of both families.
func (t TLS) listener(a netip.Addr, port int) string {
	if !a.IsValid() {
		a = netip.IPv6Unspecified()
	}
	return fmt.Sprintf("p%s:%d:[%s]", t.scheme(), port, a)
}

// hostPort brackets both families, as the OVS tools accept.
func hostPort(a netip.Addr, port int) string { return fmt.Sprintf("[%s]:%d", a, port) }
