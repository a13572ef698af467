package ip

import (
	"sync"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
)

// openList knows the reservations that could not be served, so that they are woken by what may help them, and what their
// users were told.
type openList struct {
	mu    sync.Mutex
	items map[string]openItem // by name
}

type openItem struct {
	subnet, namespace, pod string
	told                   string
}

func newOpenList() *openList { return &openList{items: map[string]openItem{}} }

// enter lists a reservation. It is to be done before the caches are read, so that what changes from there on brings the
// key back.
func (o *openList) enter(ip *v1.IP) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.items[ip.Name] = openItem{ip.Spec.Subnet, ip.Spec.Namespace, ip.Spec.PodName, o.items[ip.Name].told}
}

// news notes what the user is to be told, and says whether it is new.
func (o *openList) news(name, text string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	item := o.items[name]
	old := item.told
	item.told = text
	o.items[name] = item
	return old != text
}

// close forgets a reservation.
func (o *openList) close(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.items, name)
}

// in lists the reservations of a subnet.
func (o *openList) in(subnet string) []string {
	return o.names(func(i openItem) bool { return i.subnet == subnet })
}

// of lists the reservations for a pod.
func (o *openList) of(namespace, pod string) []string {
	return o.names(func(i openItem) bool { return i.namespace == namespace && i.pod == pod })
}

func (o *openList) names(match func(openItem) bool) []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var names []string
	for name, item := range o.items {
		if match(item) {
			names = append(names, name)
		}
	}
	return names
}
