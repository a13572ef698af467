//go:build e2e

package e2e

import "testing"

// TestTwoWaysOut gives one pod a FIP in one outside network and a port in another: each answers where it was asked, and what
// the pod begins leaves as the FIP.
func TestTwoWaysOut(t *testing.T) {
	deploy(t, world000)
	leavesNoNAT(t)
	serve(t)
	extraNetwork(t, "underlay")
	const pod = "vpc-1-busybox01"
	fip := fipOf(t, "e2e-ways", pod)
	apply(t, eipYAML("eip-dnat", "{externalSubnet: underlay}")+dnatYAML("e2e-ways", "ipName: "+pod+".vpc1"))
	isReady(t, "odnat", "e2e-ways")
	port := isReady(t, "oeip", "eip-dnat")["V4IP"]
	wantPage(t, "http://"+fip+"/", pod)
	wantPage(t, "http://"+port+":2222/", pod)
	wantSeen(t, "vpc1", pod, internet, fip)
}
