/** GPT-2: the model, its weights, tokenizers and sampling. */
module org.gatun.model {
  requires com.fasterxml.jackson.core;
  requires jtokkit;
  requires transitive org.gatun.engine;

  exports org.gatun.model;
}
