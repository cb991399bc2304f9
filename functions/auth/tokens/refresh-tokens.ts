/**
 * Refresh tokens: `bmr_SESSION.GENERATION.MAC`. The database keeps the number of the generation and a salt, nothing of the token;
 * whether a token was ever one of a session's follows from the MAC, however old it is. So a stolen old one is recognised, and a
 * made-up one ends nobody's session. Pure.
 */
import { timingSafeEqual } from 'node:crypto'
import type { Vault } from './vault.ts'

export type RefreshToken = { readonly sessionId: string; readonly generation: number; readonly mac: string }

const PURPOSE = 'refresh token'
const pattern = /^bmr_(ses_[A-Za-z0-9_-]{22})\.([1-9]\d{0,8})\.([A-Za-z0-9_-]{43})$/

export function refreshToken(vault: Vault, sessionId: string, generation: number, salt: string): string {
  return `bmr_${sessionId}.${generation}.${macOf(vault, sessionId, generation, salt)}`
}

/** Takes it apart; says nothing about whether it is real. */
export function parseRefreshToken(token: string): RefreshToken | undefined {
  const [, sessionId, generation, mac] = pattern.exec(token) ?? []
  return sessionId === undefined || mac === undefined ? undefined : { sessionId, generation: Number(generation), mac }
}

/** Whether the session with this salt ever gave it out. */
export function isRealRefreshToken(vault: Vault, { sessionId, generation, mac }: RefreshToken, salt: string): boolean {
  return timingSafeEqual(Buffer.from(mac), Buffer.from(macOf(vault, sessionId, generation, salt)))
}

function macOf(vault: Vault, sessionId: string, generation: number, salt: string): string {
  return vault.mac(PURPOSE, `${sessionId}.${generation}.${salt}`)
}
