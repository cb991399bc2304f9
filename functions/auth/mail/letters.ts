/** What is written to people. Plain text: nothing to render, nothing to track. Pure. */
export type Letter = { readonly to: string; readonly subject: string; readonly text: string }

export type LetterKind = 'verify' | 'known' | 'reset' | 'changed'

export type LetterPlan = {
  readonly to: string
  /** Of the service, as people know it. */
  readonly service: string
  readonly token?: string
  /** Where the token goes; `{token}` stands for it. Empty: the letter shows the bare token. */
  readonly link?: string
  readonly minutes?: number
}

export function writeLetter(kind: LetterKind, { to, service, token = '', link = '', minutes = 0 }: LetterPlan): Letter {
  const what = link === '' ? `Your code: ${token}` : link.replace('{token}', encodeURIComponent(token))
  switch (kind) {
    case 'verify': return {
      to, subject: `${service}: confirm your e-mail address`,
      text: `Somebody, probably you, registered this address with ${service}.\n\n${what}\n\n`
        + `It is good for ${minutes} minutes, together with the password chosen then. If it was not you, do nothing.\n`,
    }
    case 'known': return {
      to, subject: `${service}: you have an account already`,
      text: `Somebody, probably you, wanted to register this address with ${service}. It has an account already:\n`
        + 'log in, or ask for a new password if you have forgotten it. If it was not you, do nothing.\n',
    }
    case 'reset': return {
      to, subject: `${service}: choose a new password`,
      text: `Somebody, probably you, asked for a new password at ${service}.\n\n${what}\n\n`
        + `It is good for ${minutes} minutes and only once. If it was not you, do nothing: your password stays as it is.\n`,
    }
    case 'changed': return {
      to, subject: `${service}: your password was changed`,
      text: `The password of your account at ${service} was changed just now.\n`
        + 'If it was not you, ask for a new password at once: that ends all sessions.\n',
    }
  }
}
