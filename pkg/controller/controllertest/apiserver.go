package controllertest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clienttesting "k8s.io/client-go/testing"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
)

// apiServer adds to a clientset's object store what controllers rely on and the fakes leave out: UIDs, resource versions
// with conflicts, generations that follow the spec, finalizers that hold a deletion, and silence on writes that change
// nothing.
type apiServer struct {
	clienttesting.ObjectTracker

	mu      sync.Mutex
	version int64
}

func (s *apiServer) Create(gvr schema.GroupVersionResource, obj runtime.Object, ns string, opts ...metav1.CreateOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	object, err := meta.Accessor(obj)
	if err != nil {
		return err
	}
	s.stamp(object)
	if object.GetUID() == "" {
		object.SetUID(types.UID(fmt.Sprintf("00000000-0000-0000-0000-%012d", s.version)))
	}
	// Objects are a second apart, so that "the older one" is the one created first.
	object.SetCreationTimestamp(metav1.NewTime(time.Unix(1_700_000_000+s.version, 0)))
	object.SetGeneration(1)
	return s.ObjectTracker.Create(gvr, obj, ns, opts...)
}

func (s *apiServer) Update(gvr schema.GroupVersionResource, obj runtime.Object, ns string, _ ...metav1.UpdateOptions) error {
	return s.store(gvr, obj, ns)
}

func (s *apiServer) Patch(gvr schema.GroupVersionResource, obj runtime.Object, ns string, _ ...metav1.PatchOptions) error {
	return s.store(gvr, obj, ns)
}

func (s *apiServer) Delete(gvr schema.GroupVersionResource, ns, name string, opts ...metav1.DeleteOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	obj, err := s.ObjectTracker.Get(gvr, ns, name)
	if err != nil {
		return err
	}
	object, err := meta.Accessor(obj)
	if err != nil {
		return err
	}
	if len(object.GetFinalizers()) == 0 {
		return s.ObjectTracker.Delete(gvr, ns, name, opts...)
	}
	if object.GetDeletionTimestamp() == nil {
		s.stamp(object)
		now := metav1.NewTime(time.Unix(1_700_000_000+s.version, 0))
		object.SetDeletionTimestamp(&now)
		object.SetGeneration(object.GetGeneration() + 1)
		return s.ObjectTracker.Update(gvr, obj, ns)
	}
	return nil
}

func (s *apiServer) store(gvr schema.GroupVersionResource, obj runtime.Object, ns string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	object, err := meta.Accessor(obj)
	if err != nil {
		return err
	}
	stored, err := s.ObjectTracker.Get(gvr, ns, object.GetName())
	if err != nil {
		return err
	}
	old, err := meta.Accessor(stored)
	if err != nil {
		return err
	}
	if v := object.GetResourceVersion(); v != "" && v != old.GetResourceVersion() {
		return apierrors.NewConflict(gvr.GroupResource(), object.GetName(), fmt.Errorf("version %s is not the latest, %s", v, old.GetResourceVersion()))
	}
	object.SetResourceVersion(old.GetResourceVersion())
	object.SetUID(old.GetUID())
	object.SetCreationTimestamp(old.GetCreationTimestamp())
	object.SetDeletionTimestamp(old.GetDeletionTimestamp())
	object.SetGeneration(old.GetGeneration())
	if object.GetDeletionTimestamp() != nil && len(object.GetFinalizers()) == 0 {
		return s.ObjectTracker.Delete(gvr, ns, object.GetName())
	}
	before, after := fields(stored), fields(obj)
	if reflect.DeepEqual(before, after) {
		return nil
	}
	if !reflect.DeepEqual(before["spec"], after["spec"]) {
		object.SetGeneration(old.GetGeneration() + 1)
	}
	s.stamp(object)
	return s.ObjectTracker.Update(gvr, obj, ns)
}

func (s *apiServer) stamp(object metav1.Object) {
	s.version++
	object.SetResourceVersion(strconv.FormatInt(s.version, 10))
}

func fields(obj runtime.Object) map[string]any {
	text, err := json.Marshal(obj)
	if err != nil {
		return nil
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		return nil
	}
	return out
}

// plurals are the resource names that do not follow from the kind.
var plurals = map[string]string{
	"ProviderNetwork":  "provider-networks",
	"OvnEip":           "ovn-eips",
	"OvnFip":           "ovn-fips",
	"OvnSnatRule":      "ovn-snat-rules",
	"OvnDnatRule":      "ovn-dnat-rules",
	"VpcNatGateway":    "vpc-nat-gateways",
	"IptablesEIP":      "iptables-eips",
	"IptablesFIPRule":  "iptables-fip-rules",
	"IptablesDnatRule": "iptables-dnat-rules",
	"IptablesSnatRule": "iptables-snat-rules",
	"SwitchLBRule":     "switch-lb-rules",
	"RouterLBRule":     "router-lb-rules",
	"VpcDns":           "vpc-dnses",
	"SecurityGroup":    "security-groups",
	"QoSPolicy":        "qos-policies",
	"VpcEgressGateway": "vpc-egress-gateways",
}

// resourceOf is the resource of a kind.
func resourceOf(gvk schema.GroupVersionKind) schema.GroupVersionResource {
	if plural, ok := plurals[gvk.Kind]; ok && gvk.Group == v1.GroupName {
		return gvk.GroupVersion().WithResource(plural)
	}
	resource, _ := meta.UnsafeGuessKindToResource(gvk)
	return resource
}
