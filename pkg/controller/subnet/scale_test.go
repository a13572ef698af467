package subnet

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
)

// Many subnets made at once cost a bounded number of syncs each: a newcomer does not wake those that are in place.
func TestManySubnets(t *testing.T) {
	const n = 200
	var objects []runtime.Object
	for i := range n {
		objects = append(objects, controllertest.Subnet(fmt.Sprintf("net%d", i), []string{"vpc1", "vpc2"}[i%2], fmt.Sprintf("10.%d.0.0/24", i)))
	}
	w := started(t, objects...)
	for _, object := range objects {
		w.Eventually("every subnet is ready", func() bool {
			return v1.IsConditionTrue(controllertest.Stored(w.Fixture, object.(*v1.Subnet)).Status.Conditions, v1.ConditionReady)
		})
	}
	if writes := len(w.Writes()); writes != 2*n {
		t.Errorf("%d API writes for %d subnets", writes, n)
	}
}
