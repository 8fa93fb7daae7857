//! The tables of docs/siem/schema and how many columns each has.

/// A table that records are loaded into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Table {
    Records,
    DeviceGroups,
    Heartbeats,
    Layers,
    Inventories,
    Entries,
    Credentials,
    Findings,
    Coverage,
    Actions,
    Requests,
    Events,
    Gaps,
}

impl Table {
    /// All, in the order in which they are declared.
    pub(crate) const ALL: [Self; 13] = [
        Self::Records,
        Self::DeviceGroups,
        Self::Heartbeats,
        Self::Layers,
        Self::Inventories,
        Self::Entries,
        Self::Credentials,
        Self::Findings,
        Self::Coverage,
        Self::Actions,
        Self::Requests,
        Self::Events,
        Self::Gaps,
    ];

    /// Its name in SQL.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::DeviceGroups => "device_groups",
            Self::Heartbeats => "heartbeats",
            Self::Layers => "layers",
            Self::Inventories => "inventories",
            Self::Entries => "entries",
            Self::Credentials => "credentials",
            Self::Findings => "findings",
            Self::Coverage => "coverage",
            Self::Actions => "actions",
            Self::Requests => "requests",
            Self::Events => "events",
            Self::Gaps => "gaps",
        }
    }

    /// How many columns it has.
    pub(crate) fn columns(self) -> usize {
        match self {
            Self::DeviceGroups => 4,
            Self::Layers => 5,
            Self::Coverage | Self::Gaps => 9,
            Self::Credentials | Self::Events => 10,
            Self::Findings => 11,
            Self::Records | Self::Actions | Self::Requests => 13,
            Self::Inventories => 18,
            Self::Heartbeats => 22,
            Self::Entries => 29,
        }
    }
}
