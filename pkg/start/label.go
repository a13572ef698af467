package start

import (
	"context"
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// PodLabeler returns a function that sets labels of the pod named by POD_NAMESPACE and POD_NAME; nil when we do not run
// in a pod.
func PodLabeler(get Getenv) (func(context.Context, map[string]string) error, error) {
	namespace, name := get("POD_NAMESPACE"), get("POD_NAME")
	if namespace == "" || name == "" || get("KUBERNETES_SERVICE_HOST") == "" {
		return nil, nil
	}
	config, err := rest.InClusterConfig()
	if err != nil {
		return nil, fmt.Errorf("label pod %s/%s: %w", namespace, name, err)
	}
	config.Timeout = commandTimeout
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return labeler(client, namespace, name), nil
}

func labeler(client kubernetes.Interface, namespace, name string) func(context.Context, map[string]string) error {
	return func(ctx context.Context, labels map[string]string) error {
		patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": labels}})
		if err != nil {
			return err
		}
		_, err = client.CoreV1().Pods(namespace).Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{})
		if err != nil {
			return fmt.Errorf("label pod %s/%s: %w", namespace, name, err)
		}
		return nil
	}
}
