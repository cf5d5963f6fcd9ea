/** The types of a command's definition. The parser, the help, the completions and the manual page are made from it. */

export interface Option {
  /** The letter of the short form: `p` for `-p`. */
  short?: string
  /** The placeholder of the value, such as `SECONDS`. An option without one is a switch. */
  value?: string
  /** If set, the value may be absent, and the next word is the value only if this says so. */
  takes?: (word: string) => boolean
  /** True if the option may be repeated. */
  many?: boolean
  /** The allowed values, if there is a fixed set. */
  choices?: readonly string[]
  /** The default as the help shows it. It documents the default and does not set it. */
  fallback?: string
  /** One sentence without a full stop, in ASCII. */
  describe: string
}

/** Options by long name, without the dashes. */
export type OptionTable = Record<string, Option>

export interface CommandLine {
  /** The name of the command. */
  command: string
  /** The purpose in a few words, for the manual page. */
  purpose: string
  /** The forms of the command line, without the command's name. */
  usage: string[]
  options: OptionTable
  examples: [line: string, meaning: string][]
  /** The last paragraph of the help: the exit status. */
  epilogue: string
}
