package namespace

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// inputs are everything the annotations of one namespace depend on; lists are sorted by name.
type inputs struct {
	config Config
	// namespace is nil when the object is gone.
	namespace *corev1.Namespace
	subnets   []*v1.Subnet
	vpcs      []*v1.Vpc
	pools     []*v1.IPPool
}

func (c *controller) gather(name string) (inputs, error) {
	in := inputs{config: c.Config}
	namespace, ok := c.own.Get(name)
	if !ok || !namespace.DeletionTimestamp.IsZero() {
		return in, nil
	}
	in.namespace = namespace
	var err error
	if in.subnets, err = c.subnets.List(labels.Everything()); err != nil {
		return in, fmt.Errorf("list subnets: %w", err)
	}
	for i, s := range in.subnets { // a new one counts before it is accepted: its namespaces' pods must not go elsewhere
		in.subnets[i] = util.Effective(s)
	}
	if in.vpcs, err = c.vpcs.List(labels.Everything()); err != nil {
		return in, fmt.Errorf("list vpcs: %w", err)
	}
	if in.pools, err = c.pools.List(labels.Everything()); err != nil {
		return in, fmt.Errorf("list ippools: %w", err)
	}
	sortByName(in.subnets)
	sortByName(in.vpcs)
	sortByName(in.pools)
	return in, nil
}

func sortByName[T metav1.Object](list []T) {
	slices.SortFunc(list, func(a, b T) int { return strings.Compare(a.GetName(), b.GetName()) })
}
