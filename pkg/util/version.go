package util

// Version of this release; install.sh names the images by it.
const Version = "v0.1.0"

// VersionID is the key of NB_Global's external_ids that tells which release wrote the database last, for migrations.
const VersionID = "kube-ovn-version"
