/** The clock of the data service, as SQL: it is asked in the statement that needs it, because the clocks of boards differ. */
export const NOW = "CAST(unixepoch('subsec') * 1000 AS INTEGER)"
