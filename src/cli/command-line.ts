/** What a command can be told: the tables that the parser, the help, the completions and the manual page are made from. */

/** One option: the help, the completions and the manual page are all made from this. */
export interface Option {
  /** The letter that stands for it behind a single dash. */
  short?: string
  /** What its value stands for, such as `SECONDS`; an option without one is a switch. */
  value?: string
  /** True if it may be given more than once. */
  many?: boolean
  /** The values it takes, where they are few. */
  choices?: readonly string[]
  /** What holds when it is not given. */
  fallback?: string
  describe: string
}

export type OptionTable = Record<string, Option>

export interface CommandLine {
  command: string
  /** One line of what it is for. */
  purpose: string
  /** The ways to call it, without the command's name. */
  usage: string[]
  options: OptionTable
  examples: [line: string, meaning: string][]
  epilogue: string
}
