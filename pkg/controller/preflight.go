package controller

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"

	"github.com/kubeovn/kube-ovn/pkg/util"
)

// preflight lists one object of each kind that is read, so that a missing permission or resource type is an error with a
// name and not an informer that waits for ever (northbound.md 2.1).
func (c *Controller) preflight(ctx context.Context) error {
	one := metav1.ListOptions{Limit: 1}
	gateway := metav1.ListOptions{Limit: 1, FieldSelector: gatewayConfig()}
	core, apps, own := c.Kube.CoreV1(), c.Kube.AppsV1(), c.KubeOVN.KubeovnV1()
	for _, kind := range []struct {
		name string
		list func() error
	}{
		{"vpcs", func() error { _, err := own.Vpcs().List(ctx, one); return err }},
		{"subnets", func() error { _, err := own.Subnets().List(ctx, one); return err }},
		{"ips", func() error { _, err := own.IPs().List(ctx, one); return err }},
		{"vips", func() error { _, err := own.Vips().List(ctx, one); return err }},
		{"ovn-eips", func() error { _, err := own.OvnEips().List(ctx, one); return err }},
		{"ovn-fips", func() error { _, err := own.OvnFips().List(ctx, one); return err }},
		{"ovn-snat-rules", func() error { _, err := own.OvnSnatRules().List(ctx, one); return err }},
		{"ovn-dnat-rules", func() error { _, err := own.OvnDnatRules().List(ctx, one); return err }},
		{"configmaps", func() error { _, err := core.ConfigMaps(c.GatewayConfigNamespace).List(ctx, gateway); return err }},
		{"ippools", func() error { _, err := own.IPPools().List(ctx, one); return err }},
		{"nodes", func() error { _, err := core.Nodes().List(ctx, one); return err }},
		{"namespaces", func() error { _, err := core.Namespaces().List(ctx, one); return err }},
		{"pods", func() error { _, err := core.Pods(metav1.NamespaceAll).List(ctx, one); return err }},
		{"statefulsets", func() error { _, err := apps.StatefulSets(metav1.NamespaceAll).List(ctx, one); return err }},
	} {
		if err := kind.list(); err != nil {
			return fmt.Errorf("list %s: %w", kind.name, err)
		}
	}
	return nil
}

// gatewayConfig selects the one ConfigMap that is read, and that may be read.
func gatewayConfig() string {
	return fields.OneTermEqualSelector(metav1.ObjectNameField, util.ExternalGatewayConfig).String()
}
