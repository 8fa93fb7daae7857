//! The tables of docs/siem/schema and how many columns each has.

/// A table that records are loaded into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Table {
    Records,
    DeviceGroups,
    Heartbeats,
    Waiting,
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
    /// What heartbeats tell of the ends of chains: for the proof only, and in no schema of a warehouse.
    Ends,
}

impl Table {
    /// All, in the order in which they are declared.
    pub(crate) const ALL: [Self; 15] = [
        Self::Records,
        Self::DeviceGroups,
        Self::Heartbeats,
        Self::Waiting,
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
        Self::Ends,
    ];

    /// Its name in SQL.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::DeviceGroups => "device_groups",
            Self::Heartbeats => "heartbeats",
            Self::Waiting => "waiting",
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
            Self::Ends => "ends",
        }
    }

    /// How many columns it has.
    pub(crate) fn columns(self) -> usize {
        match self {
            Self::DeviceGroups | Self::Waiting => 4,
            Self::Layers | Self::Ends => 5,
            Self::Coverage | Self::Gaps => 9,
            Self::Credentials => 10,
            Self::Findings => 11,
            Self::Records | Self::Requests => 13,
            Self::Actions => 17,
            Self::Inventories | Self::Events => 18,
            Self::Heartbeats => 26,
            Self::Entries => 32,
        }
    }
}
