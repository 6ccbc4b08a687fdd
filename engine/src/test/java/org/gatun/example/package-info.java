/** What a user writes: everything here is outside of the engine's packages and knows its public API alone. */
package org.gatun.example;
