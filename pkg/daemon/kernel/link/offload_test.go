package link

import (
	"errors"
	"strings"
	"testing"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/kerneltest"
)

func TestDisableOffloads(t *testing.T) {
	kerneltest.NewNetns(t)
	kerneltest.Veth(t, "near", "far", netns.None())
	features := func() string { return kerneltest.Run(t, "ethtool", "-k", "near") }
	if !strings.Contains(features(), "tx-checksumming: on") {
		t.Fatalf("a fresh veth should offload checksums:\n%s", features())
	}
	if err := DisableOffloads("near", TxChecksum, TSO, GSO, GRO, LRO); err != nil {
		t.Fatal(err)
	}
	got := features()
	for _, want := range []string{
		"tx-checksumming: off", "tx-tcp-segmentation: off", "generic-segmentation-offload: off",
		"generic-receive-offload: off", "large-receive-offload: off",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("missing %q in:\n%s", want, got)
		}
	}
	if err := DisableOffloads("near", TxChecksum); err != nil {
		t.Errorf("a second time: %v", err)
	}
}

func TestDisableOffloadsOfMissingDevice(t *testing.T) {
	kerneltest.NewNetns(t)
	for _, device := range []string{"nosuch", "a-name-that-is-far-too-long"} {
		err := DisableOffloads(device, TxChecksum)
		if !errors.Is(err, unix.ENODEV) || !strings.Contains(err.Error(), device) {
			t.Errorf("%s: want ENODEV with the name, got %v", device, err)
		}
	}
}
