package ko

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/streaming/pkg/httpstream"
)

// Remote runs commands through the API server, over WebSocket or, with an old server, SPDY; as kubectl exec does.
func Remote(config *rest.Config, client kubernetes.Interface) Exec {
	return func(ctx context.Context, pod *corev1.Pod, container string, argv []string, s Streams) error {
		request := client.CoreV1().RESTClient().Post().Resource("pods").Namespace(pod.Namespace).Name(pod.Name).
			SubResource("exec").VersionedParams(&corev1.PodExecOptions{
			Container: container, Command: argv, Stdin: s.In != nil, Stdout: true, Stderr: true,
		}, scheme.ParameterCodec)
		websocket, err := remotecommand.NewWebSocketExecutor(config, "GET", request.URL().String())
		if err != nil {
			return fmt.Errorf("exec: %w", err)
		}
		spdy, err := remotecommand.NewSPDYExecutor(config, "POST", request.URL())
		if err != nil {
			return fmt.Errorf("exec: %w", err)
		}
		executor, err := remotecommand.NewFallbackExecutor(websocket, spdy, func(err error) bool {
			return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
		})
		if err != nil {
			return fmt.Errorf("exec: %w", err)
		}
		return executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: s.In, Stdout: s.Out, Stderr: s.Err})
	}
}
