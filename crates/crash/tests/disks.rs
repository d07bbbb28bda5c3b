//! Full and broken disks.
