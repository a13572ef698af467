package util

// SetKey puts a value into a map that may be nil; an empty value takes the key away.
func SetKey(m *map[string]string, key, value string) {
	switch {
	case value == "":
		delete(*m, key)
	case *m == nil:
		*m = map[string]string{key: value}
	default:
		(*m)[key] = value
	}
}
