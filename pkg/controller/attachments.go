package controller

import (
	"context"
	"time"

	nadv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	nadclient "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/client/clientset/versioned"
	nadlisters "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/client/listers/k8s.cni.cncf.io/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// absentPoll is how often a missing resource type is looked for.
const absentPoll = 10 * time.Second

// attachmentSource watches NetworkAttachmentDefinitions. Their CustomResourceDefinition is Multus's and may be missing or
// come later: as long as it is missing, which is looked for every poll, the list is empty.
type attachmentSource struct{ informer cache.SharedIndexInformer }

func newAttachmentSource(client nadclient.Interface, poll time.Duration) attachmentSource {
	all := client.K8sCniCncfIoV1().NetworkAttachmentDefinitions(metav1.NamespaceAll)
	source := optional{&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			list, err := all.List(ctx, options)
			if absent(err) {
				return &nadv1.NetworkAttachmentDefinitionList{}, nil
			}
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			events, err := all.Watch(ctx, options)
			if absent(err) {
				return silence(poll), nil
			}
			return events, err
		},
	}}
	return attachmentSource{cache.NewSharedIndexInformer(source, &nadv1.NetworkAttachmentDefinition{}, 0,
		cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})}
}

func (s attachmentSource) Informer() cache.SharedIndexInformer { return s.informer }

func (s attachmentSource) Lister() nadlisters.NetworkAttachmentDefinitionLister {
	return nadlisters.NewNetworkAttachmentDefinitionLister(s.informer.GetIndexer())
}

// optional lists and watches a resource type that the API server may not have.
type optional struct{ *cache.ListWatch }

// IsWatchListSemanticsUnSupported makes the informer list first: a stream would not tell that the type is missing.
func (optional) IsWatchListSemanticsUnSupported() bool { return true }

// absent says whether an error means that the API server does not know the resource type.
func absent(err error) bool { return apierrors.IsNotFound(err) || meta.IsNoMatchError(err) }

// silence is a watch without events that ends after d. The informer then watches again, from the start, so that it sees the
// objects of a type that was added meanwhile.
func silence(d time.Duration) watch.Interface {
	nothing := watch.NewFake()
	time.AfterFunc(d, nothing.Stop)
	return nothing
}
