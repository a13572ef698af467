package vpc

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// ask makes the OvnEips that the router's ports need.
func (c *controller) ask(ctx context.Context, eips []*v1.OvnEip) error {
	for _, eip := range eips {
		err := c.eips.Create(eip.Name, func() (*v1.OvnEip, error) { return c.Eips.Create(ctx, eip, metav1.CreateOptions{}) })
		if err != nil && !apierrors.IsAlreadyExists(err) { // the user's own comes with the watch
			return fmt.Errorf("create ovn eip %s: %w", eip.Name, err)
		}
	}
	return nil
}

// retire deletes OvnEips of ports that are gone: each holds its address until then.
func (c *controller) retire(ctx context.Context, eips []*v1.OvnEip) error {
	for _, eip := range eips {
		if err := c.eips.Delete(ctx, "ovn eip", c.Eips, eip); err != nil {
			return err
		}
	}
	return nil
}

// retireAll deletes the OvnEips that were made for a VPC that goes or is gone.
func (c *controller) retireAll(ctx context.Context, vpc string) error {
	var made []*v1.OvnEip
	for _, name := range keys(c.index.eips, lrpIndex, vpc) {
		eip, ok := c.eips.Get(name)
		if ok && eip.Annotations[util.VpcRouterPortAnnotation] == vpc {
			made = append(made, eip)
		}
	}
	return c.retire(ctx, made)
}
