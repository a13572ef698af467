package reconcile

import (
	"slices"

	"k8s.io/client-go/tools/cache"
)

// IndexBy is an index function over objects of one type; an empty value is in no index.
func IndexBy[T any](values func(T) []string) cache.IndexFunc {
	return func(object any) ([]string, error) {
		typed, ok := object.(T)
		if !ok {
			return nil, nil
		}
		return slices.DeleteFunc(values(typed), func(value string) bool { return value == "" }), nil
	}
}

// Indexed are the objects of one value of an index, in no order.
func Indexed[T any](indexer cache.Indexer, name, value string) []T {
	objects, err := indexer.ByIndex(name, value)
	if err != nil {
		return nil // only for an index that does not exist, which stops the program at the start
	}
	out := make([]T, 0, len(objects))
	for _, object := range objects {
		if typed, ok := object.(T); ok {
			out = append(out, typed)
		}
	}
	return out
}
