/** Of several platform processes one scales and fires schedules. */
export type Leader = { isLeader(): boolean }

/** Alone on its machine. */
export const alwaysLeader: Leader = { isLeader: () => true }
