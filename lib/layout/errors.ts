/**
 * What a {@link LayoutError} is about:
 * - `INVALID_PROFILE_NAME`: the text cannot be the name of any profile
 * - `UNKNOWN_PROFILE`: this GPU, or this GPU instance, has no such profile
 */
export type LayoutErrorCode = 'INVALID_PROFILE_NAME' | 'UNKNOWN_PROFILE'

/**
 * Something refused before any GPU was touched. Switch on `code`; `message` is for people and may
 * change.
 */
export class LayoutError extends Error {
  static {
    LayoutError.prototype.name = 'LayoutError'
  }
  readonly code: LayoutErrorCode
  /** What was probably meant, best first; empty if nothing comes close. */
  readonly suggestions: readonly string[]

  constructor(code: LayoutErrorCode, message: string, suggestions: readonly string[] = []) {
    super(message)
    this.code = code
    this.suggestions = suggestions
  }
}
